import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import type pg from 'pg';
import pino, { type Logger } from 'pino';
import type { DetectorSettings } from '../../src/config.js';
import { detect, type DetectorOptions } from '../../src/detector/detector.js';
import { copyTestDatabase, createTestDatabase, dropTestDatabase, type TestDatabase } from './database.js';
import { WEIGHTS_CSV } from './servers.js';
import { testObjectStore, type TestObjectStore } from './s3.js';

const HEADER = 'customer,gender,merchant,amount';
export const csv = (...rows: string[]) => [HEADER, ...rows].map((row) => `${row}\n`).join('');
/** Makes that many detections, of new customers, where two cheap transactions make a CHILD. */
export const children = (chunk: number | string, count: number) =>
  csv(
    ...Array.from({ length: count }, (_, index) =>
      `C${chunk}-${String(index).padStart(3, '0')},F,shop,1`.concat('\n').repeat(2).trimEnd(),
    ),
  );

export interface Chunk {
  object_key: string;
  object_number: number;
  chunk_no: number | null;
  status: string;
  row_count: number;
  rejected_count: number;
  is_late: boolean;
  error: string | null;
}

export interface LogLine {
  msg: string;
  key?: string;
  missing?: string;
  reason?: string;
}

/** A mechanism Y at work in this process. */
interface RunningDetector {
  log: LogLine[];
  /** As its first SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

export function logInto(lines: LogLine[]): Logger {
  return pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) });
}

/** Waits until `find` finds something. */
export async function until<Found>(
  what: string,
  find: () => Promise<Found | undefined | false>,
): Promise<Found> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) expect.fail(`waited in vain until ${what}`);
    await sleep(20);
  }
}

export async function setThresholds(
  { client }: TestDatabase,
  pattern: string,
  thresholds: object,
): Promise<void> {
  await client.query('update bankpulse.patterns set thresholds = thresholds || $2 where pattern_id = $1', [
    pattern,
    thresholds,
  ]);
}

/** The rows of files, without header and times. */
export const rowsOf = (content: string | undefined) => {
  const [, ...rows] = parse(content ?? '');
  return rows.map(([, , pattern, action, customer, merchant]) =>
    [pattern, action, customer, merchant].join(' '),
  );
};

/**
 * What mechanism Y needs, for the suite it is called in: each test has its own database, prefix and importance file, or
 * with `isShared` all have the same, so that one stream serves them all; what is still running after a test is stopped.
 * The members that are not functions are those of the test at hand.
 */
export function useDetector({ isShared = false } = {}) {
  let s3: TestObjectStore;
  let folder: string;
  let database: TestDatabase;
  let prefix: string;
  let importanceCsv: string;
  const running = new Set<RunningDetector>();
  let testCount = 0;

  before(async () => {
    s3 = await testObjectStore();
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  (isShared ? before : beforeEach)(async () => {
    prefix = `test-${++testCount}/`;
    database = await createTestDatabase('sensitive');
    importanceCsv = join(folder, `importance-${testCount}.csv`);
    await writeFile(importanceCsv, WEIGHTS_CSV);
  });
  afterEach(() => Promise.allSettled([...running].map((detector) => detector.stop())));
  (isShared ? after : afterEach)(() => dropTestDatabase(database));

  /** Goes on with another database, as empty as at first, or with all that `source` has. */
  async function renewDatabase(source?: TestDatabase): Promise<void> {
    await dropTestDatabase(database);
    database = await (source ? copyTestDatabase(source) : createTestDatabase('sensitive'));
  }

  const chunkKey = (name: number | string) =>
    `${prefix}chunks/${typeof name === 'number' ? `chunk_${name}.csv` : name}`;

  /** Ends all sessions in the database but the test's own and these. */
  async function cutSessions(...spared: pg.Client[]): Promise<void> {
    const answers = spared.map((client) => client.query<{ pid: number }>('select pg_backend_pid() as pid'));
    const pids = (await Promise.all(answers)).map(({ rows }) => rows[0]!.pid);
    await database.client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> all ($1::int[] || pg_backend_pid())`,
      [pids],
    );
  }

  async function put(name: number | string, content: string | Buffer): Promise<void> {
    await s3.store.put(chunkKey(name), content, 'text/csv');
  }

  /** For a command of its own: this database, this bucket, these prefixes. */
  const environment = (): Record<string, string> => ({
    ...s3.env,
    DATABASE_URL: database.url,
    BANKPULSE_HOME: join(folder, 'home'),
    IMPORTANCE_CSV: importanceCsv,
    CHUNKS_PREFIX: `${prefix}chunks/`,
    DETECTIONS_PREFIX: `${prefix}detections/`,
  });

  function optionsOf(settings: Partial<DetectorSettings>, log: Logger, signal: AbortSignal): DetectorOptions {
    return {
      config: database.config,
      store: s3.store,
      settings: {
        IMPORTANCE_CSV: importanceCsv,
        BATCH_ROWS: 50,
        FLUSH_AFTER_MS: 200,
        POLL_INTERVAL_MS: 100,
        FULL_LIST_MS: 400,
        CHUNK_ORDER: 'number',
        GAP_TIMEOUT_MS: 300,
        MAX_CHUNK_BYTES: 1_000_000,
        PREFETCH_BYTES: 1_000_000,
        CHUNKS_PREFIX: `${prefix}chunks/`,
        DETECTIONS_PREFIX: `${prefix}detections/`,
        ...settings,
      },
      log,
      signal,
      isInputOver: () => false,
    };
  }

  /** As `npm run detect -- --once`. */
  async function detectOnce(
    settings: Partial<DetectorSettings> = {},
    options: Partial<DetectorOptions> = {},
  ): Promise<LogLine[]> {
    const log: LogLine[] = [];
    const given = optionsOf(settings, logInto(log), new AbortController().signal);
    await detect({ ...given, isInputOver: () => true, ...options });
    return log;
  }

  /** As `npm run detect`. What it fails with is thrown by `stop`. */
  function startDetector(
    settings: Partial<DetectorSettings> = {},
    options: Partial<DetectorOptions> = {},
  ): RunningDetector {
    const log: LogLine[] = [];
    const controller = new AbortController();
    const ended = detect({ ...optionsOf(settings, logInto(log), controller.signal), ...options });
    ended.catch(() => undefined);
    const detector = {
      log,
      async stop() {
        running.delete(detector);
        controller.abort();
        await ended;
      },
    };
    running.add(detector);
    return detector;
  }

  async function ledger({ client } = database): Promise<Chunk[]> {
    const { rows } = await client.query<Chunk>(
      `select object_key, object_number::int, chunk_no::int, status, row_count::int, rejected_count::int, is_late, error
       from bankpulse.chunks order by chunk_no, object_key`,
    );
    return rows.map((row) => ({ ...row, object_key: row.object_key.replace(`${prefix}chunks/`, '') }));
  }

  const untilApplied = (count: number) =>
    until(`${count} chunks are applied`, async () => {
      const applied = (await ledger()).filter(({ status }) => status === 'applied');
      return applied.length >= count && applied;
    });

  async function detections({ client } = database): Promise<string[]> {
    const { rows } = await client.query<{ detection: string }>(
      `select concat_ws(' ', pattern_id, merchant_id, customer_id, chunk_no) as detection
       from bankpulse.detections order by detection_id`,
    );
    return rows.map(({ detection }) => detection);
  }

  async function state({ client } = database): Promise<unknown[]> {
    const { rows } = await client.query<object>(
      `select to_jsonb(stats) as state
       from bankpulse.customer_merchant_stats as stats
       order by stats.merchant_id, stats.customer_id`,
    );
    return rows;
  }

  /** The detection files of this test, by their number. */
  async function files(): Promise<Record<number, string>> {
    const found: Record<number, string> = {};
    for await (const { key } of s3.store.list(`${prefix}detections/`)) {
      const number = /\/detections-(\d{8})\.csv$/.exec(key)?.[1] ?? expect.fail(`a file is called ${key}`);
      found[Number(number)] = (await s3.store.getWhole(key))!.content.toString();
    }
    return found;
  }

  return {
    get s3() {
      return s3;
    },
    get folder() {
      return folder;
    },
    get database() {
      return database;
    },
    get prefix() {
      return prefix;
    },
    get importanceCsv() {
      return importanceCsv;
    },
    renewDatabase,
    cutSessions,
    chunkKey,
    put,
    environment,
    optionsOf,
    detectOnce,
    startDetector,
    ledger,
    untilApplied,
    detections,
    state,
    files,
  };
}
