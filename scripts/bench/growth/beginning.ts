import { openViews } from '../../../src/database/connection.js';
import { loadImportance } from '../../../src/loader/importance.js';
import type { ChunkTiming } from '../chunk-timing.js';
import type { Bench } from '../context.js';
import type { BenchDatabase } from '../databases.js';
import type { InputChunk } from '../input.js';
import { TimedLane } from '../timed-lane.js';
import { scaleThreshold } from './scale-threshold.js';
import type { GrowthStream } from './stream.js';

/**
 * The beginning of the stream once more, in a database of its own: timed in turn with the end of the stream, on a
 * machine that is as fast then. Ends with `close`.
 */
export class Beginning {
  private constructor(
    private readonly lane: TimedLane,
    private readonly chunks: Iterator<InputChunk, void>,
    private readonly signal: AbortSignal,
  ) {}

  /** Applies the first `chunkCount` chunks; the database is a copy of the template. */
  static async open(
    { config }: BenchDatabase,
    stream: GrowthStream,
    importanceCsv: string,
    chunkCount: number,
    { log, signal }: Pick<Bench, 'log' | 'signal'>,
  ): Promise<Beginning> {
    const lane = await TimedLane.open(config);
    const beginning = new Beginning(lane, stream.chunks(), signal);
    try {
      await scaleThreshold(lane.control, stream.busyMerchantTransactions);
      const views = openViews(config);
      await loadImportance(lane.control, views, lane.runId, importanceCsv, log).finally(() =>
        views.destroy(),
      );
      for (let chunk = 1; chunk <= chunkCount; chunk++) await beginning.timeNext();
      return beginning;
    } catch (error) {
      await beginning.close();
      throw error;
    }
  }

  async timeNext(): Promise<ChunkTiming> {
    this.signal.throwIfAborted();
    const { value } = this.chunks.next();
    if (!value) throw new Error('the stream is at its end');
    return await this.lane.time(value);
  }

  async close(): Promise<void> {
    await this.lane.close();
  }
}
