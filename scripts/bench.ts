/**
 * What it measures: the time of BankPulse's whole transaction for a chunk (COPY into staging, state, three patterns,
 * detections, ledger row, commit) against the least PostgreSQL must do with the same bytes: a bare COPY into an
 * unlogged table of the ten BankSim columns. Why: the pipeline should cost little on top of that, and must not grow
 * with the history. Set-up: the configured database server (embedded by default), a database of its own, the
 * generator's data or --transactions and --importance; both are timed for every chunk, one after the other, so that
 * a busy machine slows both; then once more with the dashboard open and closed in turn. What to expect: figures as ratios
 * of medians; single times vary.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { databaseSettings, loadSettings } from '../src/config.js';
import { connectOrExplain, openViews } from '../src/database.js';
import { Lane } from '../src/detector/lane.js';
import { bufferedObject } from '../src/detector/object-source.js';
import { loadImportance } from '../src/importance.js';
import { createLog } from '../src/log.js';
import { migrate } from '../src/schema.js';
import { openDatabase } from '../src/services.js';
import { CsvSource } from '../src/source.js';
import { SqlFunctions } from '../src/sql-functions.js';
import { Viewer } from './bench-viewer.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from './generate.js';

const CHUNK_ROWS = 10_000;
const BENCH_DATABASE = 'bankpulse_bench';
const BARE_TABLE = `create unlogged table bare_copy (
  step int, customer text, age text, gender text, zipcode_ori text,
  merchant text, zip_merchant text, category text, amount numeric, fraud text
)`;

interface Timing {
  rows: number;
  bareMs: number;
  applyMs: number;
  /** Per step, as the ledger has them. */
  steps: Record<string, number>;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
const median = (values: readonly number[]) => quantile(values, 0.5);

/** The connection settings with another database. */
function onDatabase(config: pg.ClientConfig, database: string): pg.ClientConfig {
  const { host, port, user, password, ssl } = new pg.Client(config);
  return { host, port, user, ...(typeof password === 'string' && { password }), ssl, database };
}

async function timeBareCopy(client: pg.Client, content: Buffer): Promise<number> {
  const start = performance.now();
  await client.query('begin');
  await pipeline(
    Readable.from([content], { objectMode: false }),
    client.query(copyFrom('copy bare_copy from stdin with (format csv, header)')),
  );
  await client.query('commit');
  const ms = performance.now() - start;
  await client.query('truncate bare_copy');
  return ms;
}

/** Applies every chunk of the file, after a bare COPY of the same bytes. `before` is called before each. */
async function timeChunks(
  config: pg.ClientConfig,
  transactionsCsv: string,
  importanceCsv: string,
  before: (index: number) => Promise<void> = () => Promise.resolve(),
): Promise<Timing[]> {
  const log = createLog('warn');
  const control = await connectOrExplain(config);
  await migrate(control, log);
  await control.query(BARE_TABLE);
  const functions = new SqlFunctions(control);
  const runId = await functions.registerRun();
  await functions.tryTakeOver(runId);
  const views = openViews(config);
  await loadImportance(control, views, runId, importanceCsv, log);
  await views.destroy();
  const lane = await Lane.open(config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
  const source = new CsvSource('--transactions', transactionsCsv);
  const timings: Timing[] = [];
  try {
    for await (const { number, rows, content } of source.chunks(
      await source.survey(),
      CHUNK_ROWS,
      () => true,
    )) {
      if (!content) continue;
      await before(timings.length);
      const bareMs = await timeBareCopy(control, content);
      const key = `chunk-${String(number).padStart(8, '0')}.csv`;
      const object = {
        key,
        number: BigInt(number),
        size: content.length,
        etag: 'bench',
        lastModified: new Date(),
      };
      const start = performance.now();
      const staged = await lane.stage(object, bufferedObject(key, 'bench', content, Infinity));
      const outcome = await lane.apply(staged);
      const applyMs = performance.now() - start;
      if (outcome.kind !== 'applied') throw new Error(`chunk ${number} was not applied`);
      timings.push({ rows, bareMs, applyMs, steps: outcome.chunk.timings });
    }
  } finally {
    await lane.close();
    await control.end();
  }
  return timings;
}

/** Blocks of chunks with the dashboard closed (false) and open: early and late ones of both. */
const DASHBOARD_BLOCKS = [false, true, true, false, false, true];
const BLOCK_CHUNKS = 10;
const isOpenAt = (index: number) => DASHBOARD_BLOCKS[Math.floor(index / BLOCK_CHUNKS)] ?? false;

/**
 * The time per chunk while somebody looks at the dashboard, as a multiple of that while nobody does. Of means, in bare
 * COPYs: a look falls on one chunk in several, which a median would hide.
 */
async function timeDashboard(
  config: pg.ClientConfig,
  transactionsCsv: string,
  importanceCsv: string,
): Promise<number> {
  let viewer: Viewer | undefined;
  try {
    const timings = await timeChunks(config, transactionsCsv, importanceCsv, async (index) => {
      // the database is migrated by now
      viewer ??= await Viewer.come(config);
      await viewer.look(isOpenAt(index));
    });
    const costs = timings.filter(({ rows }) => rows === CHUNK_ROWS);
    const cost = (isOpen: boolean) => {
      const some = costs.filter((_, index) => isOpenAt(index) === isOpen);
      const sum = (of: (timing: Timing) => number) => some.reduce((total, timing) => total + of(timing), 0);
      return sum(({ applyMs }) => applyMs) / sum(({ bareMs }) => bareMs);
    };
    return cost(true) / cost(false);
  } finally {
    await viewer?.leave();
  }
}

function summarize(timings: readonly Timing[]) {
  const full = timings.filter(({ rows }) => rows === CHUNK_ROWS);
  const applyMs = (some: readonly Timing[]) => some.map((timing) => timing.applyMs);
  const bareMs = full.map((timing) => timing.bareMs);
  const early = median(applyMs(full.slice(5, 15)));
  const late = median(applyMs(full.slice(-10)));
  const stepNames = Object.keys(full[0]?.steps ?? {});
  return {
    chunks: timings.length,
    bare_copy_ms: { median: median(bareMs), p95: quantile(bareMs, 0.95) },
    apply_ms: { median: median(applyMs(full)), p95: quantile(applyMs(full), 0.95) },
    apply_per_bare_copy: median(applyMs(full)) / median(bareMs),
    chunks_6_to_15_ms: early,
    last_ten_full_chunks_ms: late,
    last_ten_per_chunks_6_to_15: late / early,
    steps_ms: Object.fromEntries(
      stepNames.map((name) => [name, median(full.map(({ steps }) => steps[name] ?? 0))]),
    ),
  };
}

const { values } = parseArgs({
  options: {
    transactions: { type: 'string' },
    importance: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const settings = loadSettings(databaseSettings);
const database = await openDatabase(settings, createLog('warn'));
const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-'));
try {
  const transactionsCsv = values.transactions ?? join(folder, 'transactions.csv');
  const importanceCsv = values.importance ?? join(folder, 'CustomerImportance.csv');
  if (values.transactions === undefined || values.importance === undefined) {
    await generate({ rows: DEFAULT_ROWS, seed: DEFAULT_SEED, transactionsCsv, importanceCsv });
  }
  const admin = await connectOrExplain(database.config);
  /** Each measurement has a database of its own. */
  const measure = async <Result>(
    time: (config: pg.ClientConfig, transactionsCsv: string, importanceCsv: string) => Promise<Result>,
  ) => {
    await admin.query(`drop database if exists ${BENCH_DATABASE} with (force)`);
    await admin.query(`create database ${BENCH_DATABASE}`);
    const found = await time(onDatabase(database.config, BENCH_DATABASE), transactionsCsv, importanceCsv);
    await admin.query(`drop database ${BENCH_DATABASE} with (force)`);
    return found;
  };
  const result = {
    ...summarize(await measure((...where) => timeChunks(...where))),
    dashboard_open_per_closed: await measure(timeDashboard),
  };
  await admin.end();
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : [
          `${result.chunks} chunks of ${CHUNK_ROWS} rows; medians (p95)`,
          `bare COPY             ${ms(result.bare_copy_ms.median)} (${ms(result.bare_copy_ms.p95)})`,
          `apply                 ${ms(result.apply_ms.median)} (${ms(result.apply_ms.p95)})`,
          `apply / bare COPY     ${result.apply_per_bare_copy.toFixed(2)}`,
          `chunks 6 to 15        ${ms(result.chunks_6_to_15_ms)}`,
          `last ten full chunks  ${ms(result.last_ten_full_chunks_ms)}`,
          `last ten / 6 to 15    ${result.last_ten_per_chunks_6_to_15.toFixed(2)}`,
          `by step               ${Object.entries(result.steps_ms)
            .map(([name, value]) => `${name} ${value.toFixed(1)}`)
            .join(', ')} ms`,
          `dashboard open/closed ${result.dashboard_open_per_closed.toFixed(2)}`,
          '',
        ].join('\n'),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
  await database.close();
}
