import getPort from 'get-port';
import type pg from 'pg';
import { connect, openViews } from '../../src/database/connection.js';
import { readStatusText } from '../../src/database/status.js';
import { loadPatternParts } from '../../src/dashboard/pattern-parts.js';
import { readCustomer } from '../../src/dashboard/queries/customers.js';
import { readFile, readFiles } from '../../src/dashboard/queries/files.js';
import { readMerchant, readMerchants } from '../../src/dashboard/queries/merchants.js';
import {
  readChunkDetections,
  readChunks,
  readDetections,
  readNewest,
  readProgress,
} from '../../src/dashboard/queries/overview.js';
import { readExplanation } from '../../src/dashboard/queries/patterns.js';
import { readProblems } from '../../src/dashboard/queries/problems.js';
import { openReader } from '../../src/dashboard/reader.js';
import { serveDashboard } from '../../src/dashboard/server.js';
import { createLog } from '../../src/log.js';
import { metricsRoutes } from '../../src/metrics/routes.js';
import { figure, median, ratio, spread, type Figure } from './figures.js';
import type { InputChunk } from './input.js';
import type { Bench, BenchDatabase, Part } from './set-up.js';
import { applyMs, openLane, type ChunkTiming } from './timed-lane.js';

/** Rows of the ledger; a tenth as many detections and rejected rows, and a thousandth as many quarantined objects and runs. */
const LEDGER_ROWS = { short: 10_000, long: 10_000_000 };
const DETECTIONS_PER_FILE = 50;
const MERCHANTS = 1000;
/** Those with detections: as many of each as its page shows, also beside the short ledger. */
const BUSY_MERCHANTS = 5;
/** One statement at a time: what it adds must fit into the memory that its triggers may use. */
const FILL_ROWS = 100_000;
/** Not timed: the sessions read the catalogs and the first pages. */
const WARM_UPS = 3;
const TIMED_CHUNKS = 20;
const TIMED_QUESTIONS = 15;

const BEGIN_FILL = `
  alter table bankpulse.chunks drop constraint chunks_run_id_fkey;
  alter table bankpulse.detections drop constraint detections_run_id_fkey;
  insert into bankpulse.merchant_stats
  select 'M' || n, 100, 10, 10, 0 from generate_series(0, ${MERCHANTS} - 1) as numbers (n);
  insert into bankpulse.customer_merchant_stats
  select 'M' || n, 'C' || 10 * customer, 'F', 10, 500
  from generate_series(0, ${MERCHANTS} - 1) as numbers (n) cross join generate_series(1, 10) as customers (customer)
`;
const FILL_CHUNKS = `
  insert into bankpulse.chunks (
    object_key, object_number, chunk_no, etag, size_bytes, status, row_count, rejected_count, detection_count,
    applied_at, run_id, rules_hash, timings
  )
  select
    'bankpulse/chunks/chunk-' || lpad(n::text, 8, '0') || '.csv', n, n, md5(n::text), 600000, 'applied',
    10000, (n % 10 = 0)::int, (n % 10 = 0)::int,
    timestamptz '2025-01-01' + n * interval '1 second', 1 + n / 1000, rules.rules_hash,
    '{"copy": 25.123, "accept": 0.512, "pairs": 41.87, "merchants": 2.313, "detect": 9.414}'
  from generate_series($1::bigint, $2) as numbers (n)
  cross join (select rules_hash from bankpulse.present_rules()) as rules
`;
const FILL_QUARANTINED = `
  insert into bankpulse.chunks (object_key, etag, size_bytes, status, quarantined_at, run_id, error)
  select 'bankpulse/chunks/odd-' || n, md5(n::text), 0, 'quarantined', timestamptz '2025-01-01' + n * interval '1 second',
    1, 'the object is empty'
  from generate_series($1::bigint, $2) as numbers (n) where n % 1000 = 0
`;
const FILL_REJECTED = `
  insert into bankpulse.rejected_rows (object_key, line_number, line, reason)
  select 'bankpulse/chunks/chunk-' || lpad(n::text, 8, '0') || '.csv', 2,
    '0,''C1093826151'',''4'',''M'',''28007'',''M348934600'',''28007'',''es_transportation'',4.5x5,0',
    'the amount is not a valid number'
  from generate_series($1::bigint, $2) as numbers (n) where n % 10 = 0
`;
const FILL_DETECTIONS = `
  insert into bankpulse.detections (
    pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, batch_no, reason
  )
  select case when n % 1000 = 0 then 'PatId3' else 'PatId2' end, 'CHILD', 'M' || n / 10 % ${BUSY_MERCHANTS}, 'C' || n, n,
    1 + n / 1000, timestamptz '2025-01-01' + n * interval '1 second', 1 + (n / 10 - 1) / ${DETECTIONS_PER_FILE},
    '{"transactions": 80, "total_amount": 1800.5, "average_amount": 22.50625}'
  from generate_series($1::bigint, $2) as numbers (n) where n % 10 = 0
`;
const FILL_BATCHES = `
  insert into bankpulse.detection_batches (batch_no, object_key, row_count, closed_at, exported_at)
  select batch_no, 'bankpulse/detections/detections-' || lpad(batch_no::text, 8, '0') || '.csv', count(*),
    max(detected_at), max(detected_at)
  from bankpulse.detections group by batch_no order by batch_no
`;
const FILL_RUNS = `
  insert into bankpulse.runs (started_at, ended_at)
  select timestamptz '2025-01-01', timestamptz '2025-01-02'
  from generate_series((select count(*) from bankpulse.runs) + 1, $1::bigint / 1000 + 1)
`;
const END_FILL = `
  alter table bankpulse.chunks add constraint chunks_run_id_fkey foreign key (run_id) references bankpulse.runs;
  alter table bankpulse.detections add constraint detections_run_id_fkey foreign key (run_id) references bankpulse.runs
`;
const MEASURE_TABLES = `
  select
    pg_total_relation_size('bankpulse.chunks')::float8 / (select count(*) from bankpulse.chunks) as chunks,
    pg_total_relation_size('bankpulse.rejected_rows')::float8 / (select count(*) from bankpulse.rejected_rows) as rejected_rows,
    pg_total_relation_size('bankpulse.detections')::float8 / (select count(*) from bankpulse.detections) as detections,
    pg_total_relation_size('bankpulse.detection_batches')::float8 / (select count(*) from bankpulse.detection_batches) as detection_batches,
    pg_total_relation_size('bankpulse.runs')::float8 / (select count(*) from bankpulse.runs) as runs
`;

/** Fills an empty database as years of work would, without the state, which does not grow with the ledger. */
export async function fillLedger(config: pg.ClientConfig, rows: number, signal: AbortSignal): Promise<void> {
  const client = await connect(config);
  try {
    await client.query('set synchronous_commit = off');
    await client.query(BEGIN_FILL);
    await client.query(FILL_RUNS, [rows]);
    for (const statement of [FILL_CHUNKS, FILL_QUARANTINED, FILL_REJECTED, FILL_DETECTIONS])
      for (let from = 1; from <= rows; from += FILL_ROWS) {
        signal.throwIfAborted();
        await client.query(statement, [from, Math.min(rows, from + FILL_ROWS - 1)]);
      }
    await client.query(FILL_BATCHES);
    await client.query(END_FILL);
    for (const table of [
      'chunks',
      'rejected_rows',
      'detections',
      'detection_batches',
      'runs',
      'merchant_totals',
    ])
      await client.query(`vacuum analyze bankpulse.${table}`);
    await client.query('checkpoint').catch(() => undefined); // for a superuser; it keeps the fill out of the times
  } finally {
    await client.end();
  }
}

/** What status, the pages and a scrape ask, by name. `close` ends the sessions. */
export async function openQuestions(config: pg.ClientConfig, rows: number) {
  const log = createLog('error');
  const views = openViews(config);
  const reader = openReader(config, log);
  const settings = {
    DASHBOARD_HOST: '127.0.0.1',
    DASHBOARD_PORT: await getPort(),
    DASHBOARD_ALLOWED_HOSTS: [],
  };
  const served = await serveDashboard({
    ...{ config, settings, log },
    routes: [
      async (server) => void (await server.register(metricsRoutes, { command: 'detect', probes: {} })),
    ],
  });
  const parts = await loadPatternParts();
  const [middle, byName] = [Math.floor(rows / 20) * 10, { search: '', order: 'desc' } as const];
  const questions: Record<string, () => Promise<unknown>> = {
    status: () => readStatusText(views),
    'page, top': () => readProgress(reader),
    'page, charts': async () => [await readChunks(reader), await readChunkDetections(reader)],
    'page, newest detections': () => readNewest(reader),
    'page, detections of a rare pattern': () => readDetections(reader, { pattern: 'PatId3', limit: 10 }),
    'page, merchants by detections': () => readMerchants(reader, { ...byName, sort: 'detection_count' }),
    'page, a merchant': () => readMerchant(reader, 'M1', parts),
    'page, a customer': () => readCustomer(reader, 'C10'),
    'page, detections of a customer': () => readDetections(reader, { customer: `C${middle}`, limit: 200 }),
    'page, files': () => readFiles(reader),
    'page, a file': () => readFile(reader, Math.max(1, Math.floor(middle / 10 / DETECTIONS_PER_FILE))),
    'page, rejected rows and quarantine': () => readProblems(reader),
    'page, why a detection': () => readExplanation(reader, 'M1', 'C10'),
    'a scrape of /metrics': async () => (await fetch(`${served.url!}metrics`)).text(),
  };
  const close = async () => {
    await served.close();
    await reader.destroy();
    await views.destroy();
  };
  return { questions, close };
}

/** The times at one length of the ledger. */
export interface LedgerTimes {
  chunks: readonly ChunkTiming[];
  questions: Record<string, number[]>;
}
type Sizes = Record<string, number>;

const keyOf = (what: string) => what.replaceAll(/\W+/g, '_');

/** @param sizes bytes of a row, with its indexes, by table */
export function ledgerFigures(short: LedgerTimes, long: LedgerTimes, sizes: Sizes): Figure[] {
  const compared: [what: string, short: number[], long: number[]][] = [
    ['process_chunk', applyMs(short.chunks), applyMs(long.chunks)],
    ...Object.keys(short.questions).map((what): [string, number[], number[]] => [
      what,
      short.questions[what]!,
      long.questions[what] ?? [],
    ]),
  ];
  return [
    ...compared.flatMap(([what, few, many]) => [
      figure(`${keyOf(what)}_short_ms`, `${what}, short ledger`, 'ms', spread(few)),
      figure(`${keyOf(what)}_long_ms`, '  … long ledger', 'ms', spread(many)),
      figure(`${keyOf(what)}_growth`, '  … long / short', 'times', ratio(median(many), median(few))),
    ]),
    ...Object.entries(sizes).map(([table, bytes]) =>
      figure(`${table}_mb_per_million`, `${table}, a million rows`, 'MB', bytes),
    ),
  ];
}

const noTimes = (): { chunks: ChunkTiming[]; questions: Record<string, number[]> } => ({
  chunks: [],
  questions: {},
});

/** Times both databases in turn, so that a busy machine slows both. */
async function timeInTurn(bench: Bench, databases: { database: BenchDatabase; rows: number }[]) {
  const opened = await Promise.all(
    databases.map(async ({ database, rows }) => ({
      rows,
      lane: await openLane(database.config),
      ...(await openQuestions(database.config, rows)),
      times: noTimes(),
    })),
  );
  try {
    let count = 0;
    for await (const chunk of bench.input.chunks()) {
      if (count++ === WARM_UPS + TIMED_CHUNKS) break;
      for (const { rows, lane, times } of opened) {
        const timing = await lane.time({ ...chunk, number: rows + chunk.number } satisfies InputChunk);
        if (count > WARM_UPS) times.chunks.push(timing);
      }
    }
    for (const what of Object.keys(opened[0]!.questions))
      for (let turn = 0; turn < WARM_UPS + TIMED_QUESTIONS; turn++)
        for (const { questions, times } of opened) {
          bench.signal.throwIfAborted();
          const start = performance.now();
          await questions[what]!();
          if (turn >= WARM_UPS) (times.questions[what] ??= []).push(performance.now() - start);
        }
    return opened.map(({ times }) => times);
  } finally {
    for (const { lane, close } of opened) {
      await close();
      await lane.close();
    }
  }
}

async function measureSizes({ config }: BenchDatabase): Promise<Sizes> {
  const client = await connect(config);
  try {
    return (await client.query<Sizes>(MEASURE_TABLES)).rows[0]!;
  } finally {
    await client.end();
  }
}

export const ledger: Part = {
  name: 'ledger',
  about: `Ledger: a chunk, status, each page and a scrape, beside a ledger of ${LEDGER_ROWS.short.toLocaleString('en-US')} rows and one of
${LEDGER_ROWS.long.toLocaleString('en-US')}, with a tenth as many detections and rejected rows, asked in turn; then what a million rows take.`,
  measure: (bench) =>
    bench.useDatabase(
      async (short) =>
        bench.useDatabase(async (long) => {
          const databases = [
            { database: short, rows: LEDGER_ROWS.short },
            { database: long, rows: LEDGER_ROWS.long },
          ];
          for (const { database, rows } of databases) await fillLedger(database.config, rows, bench.signal);
          const [few, many] = await timeInTurn(bench, databases);
          return ledgerFigures(few!, many!, await measureSizes(long));
        }),
      'bench_beginning',
    ),
};
