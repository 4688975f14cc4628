import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { withResources, type CloseLater } from '../../src/async/resource-scope.js';
import { databaseSettings, loadSettings, objectStoreSettings } from '../../src/config.js';
import { connect, connectOrExplain, openViews } from '../../src/database/connection.js';
import { UserError } from '../../src/errors.js';
import { loadImportance } from '../../src/loader/importance.js';
import { createLog, type Logger } from '../../src/log.js';
import { ADVISORY_LOCK, migrate } from '../../src/database/schema.js';
import { openDatabase } from '../../src/commands/services.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { Bucket } from './bucket.js';
import { Databases } from './databases.js';
import { Input } from './input.js';

/** What every part works with. */
export interface Bench {
  input: Input;
  /** Copies of a database with the schema, and the weights of the input. */
  databases: Databases;
  bucket: Bucket;
  log: Logger;
  /** Ends the work early. */
  signal: AbortSignal;
  /** What the run is made with, for people. */
  setUp: SetUp;
}

export interface SetUp {
  postgresql: string;
  /** What its settings say that decides what a commit costs. */
  server_settings: Record<string, string>;
  object_store: string;
  node: string;
  cores: number;
  /** Of everything that is the run's own in the bucket; its databases have fixed names. */
  prefix: string;
  /** What is measured on, unless all parts have their own. */
  input:
    | {
        rows: number;
        chunks: number;
        is_generated: boolean;
        importance_load_s: number;
      }
    | undefined;
}

const TELLING_SETTINGS = ['shared_buffers', 'max_wal_size', 'wal_compression', 'synchronous_commit', 'fsync'];

async function describeServer(client: pg.Client): Promise<Pick<SetUp, 'postgresql' | 'server_settings'>> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    'select name, current_setting(name) as setting from pg_settings where name = any($1)',
    [['server_version', ...TELLING_SETTINGS]],
  );
  const { server_version = '', ...server_settings } = Object.fromEntries(
    rows.map(({ name, setting }) => [name, setting]),
  );
  return { postgresql: server_version, server_settings };
}

/** The databases have names that another bench would take: none begins until the close. @throws UserError */
async function holdLock(config: pg.ClientConfig, closeLater: CloseLater): Promise<void> {
  const session = await connectOrExplain(config);
  closeLater(() => session.end());
  const { rows } = await session.query<{ is_ours: boolean }>('select pg_try_advisory_lock($1) as is_ours', [
    ADVISORY_LOCK.bench,
  ]);
  if (!rows[0]!.is_ours) throw new UserError('another benchmark is at work beside this database');
}

/** The schema, and the weights. @returns how long the load of the weights took, in seconds. */
async function fillTemplate(config: pg.ClientConfig, importanceCsv: string, log: Logger): Promise<number> {
  return withResources(log, async (closeLater) => {
    const control = await connect(config);
    closeLater(() => control.end());
    const views = openViews(config);
    closeLater(() => views.destroy());
    await migrate(control, log);
    const functions = new SqlFunctions(control);
    const runId = await functions.registerRun();
    await functions.tryTakeOver(runId);
    const start = performance.now();
    await loadImportance(control, views, runId, importanceCsv, log);
    return (performance.now() - start) / 1000;
  });
}

/** Opens everything while `work` lasts, and takes away afterwards what was made. @throws UserError, UsageError */
export async function withBench(
  given: { transactions?: string | undefined; importance?: string | undefined },
  signal: AbortSignal,
  work: (bench: Bench) => Promise<void>,
): Promise<void> {
  const settings = loadSettings([...databaseSettings, ...objectStoreSettings]);
  const log = createLog('warn');
  await withResources(log, async (closeLater) => {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-'));
    closeLater(() => rm(folder, { recursive: true, force: true }));
    const input = await Input.open(given, folder, signal);
    const server = await openDatabase(settings, log);
    closeLater(() => server.close());
    await holdLock(server.config, closeLater);
    const bucket = await Bucket.open(settings, log);
    closeLater(() => bucket.close());
    const databases = new Databases(server.config);
    closeLater(() => databases.close());
    const { described, importanceSeconds } = await databases.prepare(async ({ config: template }) => {
      const client = await connect(template);
      const described = await describeServer(client).finally(() => client.end());
      return {
        described,
        importanceSeconds: await fillTemplate(template, input.importanceCsv, log),
      };
    });
    const setUp: SetUp = {
      ...described,
      object_store: bucket.description,
      node: process.version,
      cores: availableParallelism(),
      prefix: bucket.prefix,
      input: {
        rows: input.rows,
        chunks: input.chunkCount,
        is_generated: input.isGenerated,
        importance_load_s: importanceSeconds,
      },
    };
    signal.throwIfAborted();
    await work({ input, databases, bucket, log, signal, setUp });
  });
}
