import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import pg from 'pg';
import type { CloseLater } from '../../src/async/resource-scope.js';
import { openDatabase } from '../../src/commands/database-service.js';
import { findBucket } from '../../src/commands/services.js';
import { databaseSettings, loadSettings, objectStoreSettings } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { DisposableDatabase } from '../../src/database/disposable-database.js';
import { ADVISORY_LOCK } from '../../src/database/advisory-locks.js';
import { migrate } from '../../src/database/schema.js';
import { WRITES_IN_SESSIONS, connectOrExplain } from '../../src/database/server-check.js';
import { UserError, messageOf } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { openClient } from '../../src/s3/client.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import type { Figure } from './figures.js';
import { openInput, type GivenFiles } from './input.js';
import { openLane } from './timed-lane.js';

/** Of the databases that are made: only one that has it is dropped. */
export const MARK = 'Made by bankpulse bench; may be dropped.';
/** The settings of the server that decide the cost of a commit. */
const SETTINGS = ['shared_buffers', 'max_wal_size', 'wal_compression', 'synchronous_commit', 'fsync'];
const DESCRIBE_SERVER = `
  select
    current_setting('server_version') as postgresql,
    (select json_object_agg(name, current_setting(name)) from pg_settings where name = any($1)) as server_settings
`;

/** A database, for sessions of this process and for the environment of others. */
export type BenchDatabase = { config: pg.ClientConfig; env: Record<string, string> };
/** What every part works with. */
export type Bench = Awaited<ReturnType<typeof openBench>>;

/** One group of figures: its name for `--only` and the JSON, what is printed above it, and the work, which may say more. */
export type Part = {
  name: string;
  about: string;
  measure(bench: Bench, say: (text: string) => void): Promise<Figure[]>;
};

/** Opens the configured bucket and chooses a prefix, whose objects are deleted in the end. @throws UserError */
async function openPrefix(settings: Parameters<typeof findBucket>[0], log: Logger, closeLater: CloseLater) {
  const { options, release } = await findBucket(settings, log);
  closeLater(release);
  const store = ObjectStore.open(options);
  closeLater(() => store.close());
  const prefix = `bankpulse-bench-${randomBytes(6).toString('hex')}/`;
  await store.checkAccess(prefix);
  const client = openClient(options);
  closeLater(() => client.destroy());
  // the pipeline deletes nothing, so ObjectStore cannot
  closeLater(async () => {
    try {
      for await (const { key: Key } of store.list(prefix))
        await client.send(new DeleteObjectCommand({ Bucket: store.bucket, Key }));
    } catch (cause) {
      throw new Error(`s3://${store.bucket}/${prefix} could not be emptied: ${messageOf(cause)}`, { cause });
    }
  });
  const place = options.endpoint ? `at ${new URL(options.endpoint).origin}` : 'of AWS';
  return { store, prefix, object_store: settings.S3_BUCKET === undefined ? 'embedded S3' : `S3 ${place}` };
}

/** Creates the schema, and loads the weights. @returns the seconds that the weights took */
async function fillTemplate(config: pg.ClientConfig, importanceCsv: string, log: Logger): Promise<number> {
  const client = await connect(config);
  await migrate(client, log).finally(() => client.end());
  const lane = await openLane(config);
  const start = performance.now();
  await lane.loadWeights(importanceCsv, log).finally(lane.close);
  return (performance.now() - start) / 1000;
}

/** The variables that lead to the database: those of the configured server with another name, or of the embedded one. */
function environmentOf(config: pg.ClientConfig, url: string | undefined): Record<string, string> {
  const { host, port, user, password, database = '' } = new pg.Client(config);
  if (url === undefined)
    return {
      DB_HOST: host,
      DB_PORT: `${port}`,
      DB_NAME: database,
      DB_USER: user ?? '',
      DB_PASSWORD: password ?? '',
    };
  const named = new URL(url);
  named.pathname = `/${encodeURIComponent(database)}`;
  return { DATABASE_URL: named.href };
}

/** `closeLater` closes or deletes everything that it opens. @throws UserError, UsageError */
export async function openBench(
  given: GivenFiles & { rounds: number },
  signal: AbortSignal,
  log: Logger,
  closeLater: CloseLater,
) {
  const settings = loadSettings([...databaseSettings, ...objectStoreSettings]);
  const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-'));
  closeLater(() => rm(folder, { recursive: true, force: true }));
  const input = await openInput(given, folder, signal);
  const server = await openDatabase(settings, log);
  closeLater(() => server.close());
  const session = await connectOrExplain(server.config, WRITES_IN_SESSIONS);
  closeLater(() => session.end());
  // the databases have fixed names, so a second benchmark would drop those of the first
  const tryLock = 'select pg_try_advisory_lock($1) as is_ours';
  const { rows: locks } = await session.query<{ is_ours: boolean }>(tryLock, [ADVISORY_LOCK.bench]);
  if (!locks[0]!.is_ours) throw new UserError('another benchmark is at work beside this database');
  const { store, prefix, object_store } = await openPrefix(settings, log, closeLater);

  const databaseOf = (suffix: string) => new DisposableDatabase(server.config, suffix, MARK);
  // a killed benchmark may have left its copies
  for (const suffix of ['bench', 'bench_beginning']) await databaseOf(suffix).drop();
  const template = databaseOf('bench_template');
  closeLater(() => template.drop());
  await template.create();
  const importance_load_s = await fillTemplate(template.config, input.importanceCsv, log);
  /** Runs `work` with a copy of the template: a database with the schema and the weights of the input. */
  async function useDatabase<Result>(
    work: (database: BenchDatabase) => Promise<Result>,
    suffix: 'bench' | 'bench_beginning' = 'bench',
  ): Promise<Result> {
    const copy = databaseOf(suffix);
    await copy.create(template.name);
    return await work({
      config: copy.config,
      env: environmentOf(copy.config, settings.DATABASE_URL),
    }).finally(() => copy.drop());
  }

  type Description = { postgresql: string; server_settings: Record<string, string> };
  const { rows } = await session.query<Description>(DESCRIBE_SERVER, [SETTINGS]);
  const machine = { object_store, node: process.version, cores: availableParallelism(), prefix };
  const is_generated = given.transactions === undefined;
  const described = { rows: input.rows, chunks: input.chunkCount, is_generated, importance_load_s };
  const setUp = { ...rows[0]!, ...machine, input: described }; // for the reader of the results
  signal.throwIfAborted();
  return { input, rounds: given.rounds, store, prefix, folder, log, signal, setUp, useDatabase };
}
