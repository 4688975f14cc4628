import { connect } from '../../src/database.js';
import { Lane } from '../../src/detector/lane.js';
import { bufferedObject } from '../../src/detector/object-source.js';
import { SqlFunctions } from '../../src/sql-functions.js';
import { BareCopy } from './bare-copy.js';
import type { BenchDatabase } from './databases.js';
import { CHUNK_ROWS, type Input, type InputChunk } from './input.js';

/** What one chunk took. */
export interface ChunkTiming {
  rows: number;
  /** Pairs of merchant and customer that its rows touch. */
  pairs: number;
  bareMs: number;
  /** From the first byte of the COPY into staging to the commit. */
  applyMs: number;
  /** In milliseconds per step, as the ledger has them. */
  steps: Record<string, number>;
}

/** Those of as many rows as chunks have; the last one of a file seldom is. */
export function fullChunks(timings: readonly ChunkTiming[]): ChunkTiming[] {
  return timings.filter(({ rows }) => rows === CHUNK_ROWS);
}

/** Applies one chunk as Y does. */
export async function timeApply(
  lane: Lane,
  { number, content }: InputChunk,
): Promise<Pick<ChunkTiming, 'applyMs' | 'steps'>> {
  const key = `chunk-${String(number).padStart(8, '0')}.csv`;
  const lastModified = new Date();
  const object = { key, number: BigInt(number), size: content.length, etag: 'bench', lastModified };
  const start = performance.now();
  const staged = await lane.stage(object, bufferedObject(key, 'bench', content, Infinity));
  const outcome = await lane.apply(staged);
  const applyMs = performance.now() - start;
  if (outcome.kind !== 'applied') throw new Error(`chunk ${number} was not applied`);
  return { applyMs, steps: outcome.chunk.timings };
}

/**
 * Every chunk of the input in turn: a bare COPY of it, then Y's own transaction, so that a busy machine slows both.
 * `before` is called before each.
 */
export async function timeChunks(
  { config }: BenchDatabase,
  input: Input,
  signal: AbortSignal,
  before: (index: number) => Promise<void> = () => Promise.resolve(),
): Promise<ChunkTiming[]> {
  const control = await connect(config);
  let lane: Lane | undefined;
  const timings: ChunkTiming[] = [];
  try {
    const bareCopy = await BareCopy.open(control);
    const functions = new SqlFunctions(control);
    const runId = await functions.registerRun();
    await functions.tryTakeOver(runId);
    lane = await Lane.open(config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
    for await (const chunk of input.chunks(signal)) {
      await before(timings.length);
      const bareMs = await bareCopy.time(chunk.content);
      const pairs = await bareCopy.countPairs();
      await bareCopy.empty();
      timings.push({ rows: chunk.rows, pairs, bareMs, ...(await timeApply(lane, chunk)) });
    }
  } finally {
    await lane?.close();
    await control.end();
  }
  return timings;
}
