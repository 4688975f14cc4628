import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { sum } from 'simple-statistics';
import { connect, openViews } from '../../src/database/connection.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { Lane } from '../../src/detector/lane.js';
import { loadImportance } from '../../src/loader/importance.js';
import { bufferedObject } from '../../src/loader/object-content.js';
import type { Logger } from '../../src/log.js';
import { chunkName } from '../../src/s3/chunk-names.js';
import type { InputChunk } from './input.js';
import { usedBetween, type ServerCpu } from './server-cpu.js';

const CREATE_BARE_TABLE = `
  create unlogged table if not exists bare_copy (
    step int, customer text, age text, gender text, zipcode_ori text,
    merchant text, zip_merchant text, category text, amount numeric, fraud text
  )
`;
const COUNT_PAIRS = 'select count(distinct (merchant, customer))::int as pairs from bare_copy';

/**
 * The times of one chunk, which touches `pairs` of merchant and customer. `applyMs` lasts from the first byte of the COPY
 * into staging to the commit; `steps` are those of the ledger, and the `rest`: ledger row, commit, round trips. The processor
 * time is that of the database session, where this machine shows it.
 */
type ChunkTimes = {
  bareMs: number;
  bareCpuMs?: number | undefined;
  applyMs: number;
  applyCpuMs?: number | undefined;
  steps: Record<string, number>;
};
export type ChunkTiming = ChunkTimes & { rows: number; pairs: number };
export type Timings = readonly ChunkTiming[];

export const bareMs = (timings: Timings) => timings.map((each) => each.bareMs);
export const applyMs = (timings: Timings) => timings.map((each) => each.applyMs);
/** Empty where the processor time cannot be seen. */
export const bareCpuMs = (timings: Timings) => timings.flatMap((each) => each.bareCpuMs ?? []);
export const applyCpuMs = (timings: Timings) => timings.flatMap((each) => each.applyCpuMs ?? []);
export const pairs = (timings: Timings) => timings.map((each) => each.pairs);
/** BankPulse's time per touched pair, in microseconds. */
export const usPerPair = (timings: Timings) => timings.map((each) => (1000 * each.applyMs) / each.pairs);

/**
 * The least that PostgreSQL must do with a chunk, the unit of this benchmark: COPY the bytes into an unlogged table of
 * BankSim's ten columns, and commit. @returns milliseconds
 */
async function copyBare(client: pg.Client, content: Buffer): Promise<number> {
  const start = performance.now();
  await client.query('begin');
  const copy = client.query(copyFrom('copy bare_copy from stdin with (format csv, header)'));
  await pipeline(Readable.from([content], { objectMode: false }), copy);
  await client.query('commit');
  return performance.now() - start;
}

/** Counts the pairs of the chunk and empties the table. */
async function countBarePairs(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pairs: number }>(COUNT_PAIRS);
  await client.query('truncate bare_copy');
  return rows[0]!.pairs;
}

/** The pairs are counted afterwards, untimed. */
export async function timeBareCopy(client: pg.Client, content: Buffer) {
  await client.query(CREATE_BARE_TABLE);
  return { bareMs: await copyBare(client, content), pairs: await countBarePairs(client) };
}

/** Times chunks one by one, a bare COPY and then Y's own transaction, so that a busy machine slows both. */
export type TimedLane = Awaited<ReturnType<typeof openLane>>;

/** Waits until an earlier Y of this database has ended. @param cpu for the processor time of each chunk, too */
export async function openLane(config: pg.ClientConfig, cpu?: ServerCpu) {
  /** What the work gives, and the processor time of the database's sessions meanwhile. */
  async function measured<Result>(
    work: () => Promise<Result>,
  ): Promise<[result: Result, cpuMs: number | undefined]> {
    if (!cpu) return [await work(), undefined];
    const before = await cpu.look(config.database!);
    const result = await work();
    return [result, usedBetween(before, await cpu.look(config.database!)).ms];
  }
  const control = await connect(config); // a session beside the lane's own
  const functions = new SqlFunctions(control);
  const runId = await functions.registerRun();
  while (!(await functions.tryTakeOver(runId))) await sleep(50);
  const lane = await Lane.open(config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
  /** Y's own transaction. */
  async function apply({ number, content }: InputChunk) {
    const key = chunkName(number);
    const found = { number: BigInt(number), size: content.length, etag: '', lastModified: new Date() };
    const start = performance.now();
    const staged = await lane.stage({ key, ...found }, bufferedObject('', content, Infinity));
    const outcome = await lane.apply(staged);
    const applyMs = performance.now() - start;
    if (outcome.kind !== 'applied') throw new Error(`chunk ${number} was not applied`);
    const { timings, detectionCount } = outcome.chunk;
    return { applyMs, steps: { ...timings, rest: applyMs - sum(Object.values(timings)) }, detectionCount };
  }
  return {
    control,
    runId,
    apply,
    async loadWeights(importanceCsv: string, log: Logger): Promise<void> {
      const views = openViews(config);
      await loadImportance(control, views, runId, importanceCsv, log).finally(() => views.destroy());
    },
    async time(chunk: InputChunk): Promise<ChunkTiming> {
      await control.query(CREATE_BARE_TABLE);
      const [bareMs, bareCpuMs] = await measured(() => copyBare(control, chunk.content));
      const pairs = await countBarePairs(control);
      const [{ applyMs, steps }, applyCpuMs] = await measured(() => apply(chunk));
      return { rows: chunk.rows, pairs, bareMs, bareCpuMs, applyMs, applyCpuMs, steps };
    },
    close: async (): Promise<void> => {
      await lane.close();
      await control.end();
    },
  };
}
