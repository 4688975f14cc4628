import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { Lane } from '../../src/detector/lane.js';
import { bufferedObject } from '../../src/loader/object-content.js';
import { chunkName } from '../../src/s3/chunk-names.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { BareCopy } from './bare-copy.js';
import type { ChunkTiming } from './chunk-timing.js';
import type { BenchDatabase } from './databases.js';
import type { Input, InputChunk } from './input.js';

const TAKE_OVER_MS = 50;

/** Times chunks one by one: a bare COPY of each, then Y's own transaction, so that a busy machine slows both. */
export class TimedLane {
  private constructor(
    /** A session beside the lane's own. */
    readonly control: pg.Client,
    readonly runId: number,
    private readonly lane: Lane,
    private readonly bareCopy: BareCopy,
  ) {}

  /** Takes over from whoever applied chunks before. */
  static async open(config: pg.ClientConfig): Promise<TimedLane> {
    const control = await connect(config);
    try {
      const functions = new SqlFunctions(control);
      const runId = await functions.registerRun();
      // the session of the Y before may take a moment to end
      while (!(await functions.tryTakeOver(runId))) await sleep(TAKE_OVER_MS);
      const bareCopy = await BareCopy.open(control);
      const lane = await Lane.open(config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
      return new TimedLane(control, runId, lane, bareCopy);
    } catch (error) {
      await control.end();
      throw error;
    }
  }

  async time(chunk: InputChunk): Promise<ChunkTiming> {
    const bareMs = await this.bareCopy.time(chunk.content);
    const pairs = await this.bareCopy.countPairs();
    await this.bareCopy.empty();
    return { rows: chunk.rows, pairs, bareMs, ...(await this.#timeApply(chunk)) };
  }

  async close(): Promise<void> {
    await this.lane.close();
    await this.control.end();
  }

  async #timeApply({ number, content }: InputChunk): Promise<Pick<ChunkTiming, 'applyMs' | 'steps'>> {
    const key = chunkName(number);
    const lastModified = new Date();
    const object = { key, number: BigInt(number), size: content.length, etag: 'bench', lastModified };
    const start = performance.now();
    const staged = await this.lane.stage(object, bufferedObject(key, 'bench', content, Infinity));
    const outcome = await this.lane.apply(staged);
    const applyMs = performance.now() - start;
    if (outcome.kind !== 'applied') throw new Error(`chunk ${number} was not applied`);
    const { timings } = outcome.chunk;
    const stepsMs = Object.values(timings).reduce((sum, ms) => sum + ms, 0);
    return { applyMs, steps: { ...timings, rest: applyMs - stepsMs } };
  }
}

/** Times every chunk of the input. @param before is called before each. */
export async function timeChunks(
  { config }: BenchDatabase,
  input: Input,
  signal: AbortSignal,
  before: (index: number) => Promise<void> = () => Promise.resolve(),
): Promise<ChunkTiming[]> {
  const lane = await TimedLane.open(config);
  const timings: ChunkTiming[] = [];
  try {
    for await (const chunk of input.chunks(signal)) {
      await before(timings.length);
      timings.push(await lane.time(chunk));
    }
  } finally {
    await lane.close();
  }
  return timings;
}
