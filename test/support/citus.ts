import { randomBytes } from 'node:crypto';
import { connect, type Queryable } from '../../src/database/connection.js';
import { distribute } from '../../src/database/distribution.js';
import { migrate } from '../../src/database/schema.js';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { createLog } from '../../src/log.js';
import { isTransientDatabaseError } from '../../src/errors.js';
import type { TestDatabase } from './database.js';
import { until } from './detector.js';
import { FlakyLink } from './flaky-link.js';
import { administer, onDatabase } from './servers.js';

/** Names a database on a coordinator, in which Citus knows its workers. */
const COORDINATOR_URL = process.env.TEST_CITUS_URL;

interface Worker {
  /** The test's own way to it. */
  url: string;
  /** The coordinator's way to it, if the test asks for one that it can cut. */
  link: FlakyLink | undefined;
}

export interface CitusDatabase extends TestDatabase {
  workers: Worker[];
}

interface Wishes {
  workers: number;
  /** So many of them are known to Citus at first; default: all. `addWorker` adds another. */
  known?: number;
  /** The coordinator reaches the workers through a `link`. */
  linked?: boolean;
  /** Whether the schema is there and distributed; else the database has only the extension and its workers. */
  shards?: number;
}

/** A suite that needs Citus; without it, or without the leave to crash its servers, one pending test that says so. */
export function describeOnCitus(
  title: string,
  suite: (coordinatorUrl: string) => void,
  { crashesServers = false } = {},
): void {
  const lack = !COORDINATOR_URL
    ? 'TEST_CITUS_URL is not set: it names a database in which Citus knows its workers'
    : crashesServers && process.env.TEST_CITUS_MAY_CRASH !== '1'
      ? 'TEST_CITUS_MAY_CRASH is not 1: it lets this test crash the servers of TEST_CITUS_URL'
      : undefined;
  describe(title, function () {
    this.timeout(300_000);
    if (COORDINATOR_URL && lack === undefined) suite(COORDINATOR_URL);
    else {
      it(`(${lack})`, function () {
        this.skip();
      });
    }
  });
}

/**
 * Crashes a server by a SIGKILL to the session that asks for it: as PostgreSQL does then, it ends all sessions, loses its
 * memory and recovers from its log. Waits until it answers again. Needs a superuser.
 */
export async function crashServer(url: string): Promise<void> {
  const config = { connectionString: url };
  const [victim, witness] = [await connect(config), await connect(config)];
  const { rows } = await victim.query<{ pid: number; setting: string }>(
    `select pg_backend_pid() as pid, current_setting('restart_after_crash') as setting`,
  );
  const { pid, setting } = rows[0]!;
  if (setting !== 'on') throw new Error('restart_after_crash is off: the server would stay away');
  // another session that ends tells that the server has seen the crash
  const isSeen = new Promise((resolve) => witness.once('end', resolve));
  await victim.query(`copy (select) to program 'kill -9 ${pid}'`).catch((error: unknown) => {
    if (!isTransientDatabaseError(error)) throw error;
  });
  await isSeen;
  await until('the server answers after its crash', async () =>
    connect(config).then(
      (client) => client.end().then(() => true),
      () => false,
    ),
  );
}

function atNode(url: string, { host, port }: { host: string; port: number }): string {
  const changed = new URL(url);
  changed.hostname = host;
  changed.port = String(port);
  return changed.href;
}

/** The addresses of the first workers that the coordinator knows. */
async function workerUrls(coordinatorUrl: string, count: number): Promise<string[]> {
  const client = await connect({ connectionString: coordinatorUrl });
  try {
    const { rows } = await client.query<{ host: string; port: number }>(
      `select node_name as host, node_port::int as port from citus_get_active_worker_nodes()
       order by node_name, node_port limit $1`,
      [count],
    );
    if (rows.length < count)
      throw new Error(`Citus knows ${rows.length} workers at TEST_CITUS_URL, not ${count}`);
    return rows.map((node) => atNode(coordinatorUrl, node));
  } finally {
    await client.end();
  }
}

/** Makes a worker known to Citus. */
export async function addWorker(coordinator: Queryable, { url, link }: Worker): Promise<void> {
  const { host, port } = link?.config ?? readDatabaseUrl(url).config;
  await coordinator.query('select citus_add_node($1, $2)', [host, port]);
}

/** A new database on a coordinator and its workers, as the user would make it by hand. The caller drops it with `dropCitusDatabase`. */
export async function createCitusDatabase(coordinatorUrl: string, wishes: Wishes): Promise<CitusDatabase> {
  const name = `bankpulse_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  const servers = [coordinatorUrl, ...(await workerUrls(coordinatorUrl, wishes.workers))];
  for (const server of servers) {
    await administer(server, `create database ${name} template template0 encoding 'UTF8'`);
    await administer(onDatabase(server, name), 'create extension citus');
  }
  const [url, ...workersUrls] = servers.map((server) => onDatabase(server, name)) as [string, ...string[]];
  const { config } = readDatabaseUrl(url);
  const client = await connect(config);
  const workers: Worker[] = [];
  for (const workerUrl of workersUrls) {
    const link = wishes.linked ? await FlakyLink.open(readDatabaseUrl(workerUrl).config) : undefined;
    const worker = { url: workerUrl, link };
    if (workers.length < (wishes.known ?? wishes.workers)) await addWorker(client, worker);
    workers.push(worker);
  }
  if (wishes.shards !== undefined) {
    // in a session of its own, which holds the lock of the election until it ends
    const owner = await connect(config);
    await migrate(owner, createLog('error'));
    await distribute(owner, wishes.shards);
    await migrate(owner, createLog('error'));
    await owner.end();
  }
  return { name, url, config, client, workers };
}

/** What a worker, or the coordinator, has prepared and neither committed nor rolled back. */
export async function preparedOn(url: string): Promise<string[]> {
  const client = await connect({ connectionString: url });
  try {
    const { rows } = await client.query<{ gid: string }>(
      'select gid from pg_prepared_xacts where database = current_database() order by gid',
    );
    return rows.map(({ gid }) => gid);
  } finally {
    await client.end();
  }
}

export async function dropCitusDatabase({ name, url, client, workers }: CitusDatabase): Promise<void> {
  await client.end();
  for (const { link } of workers) await link?.close();
  for (const server of [url, ...workers.map((worker) => worker.url)]) {
    // a database is not dropped while it holds prepared transactions
    for (const gid of await preparedOn(server)) await administer(server, `rollback prepared '${gid}'`);
    await administer(onDatabase(server, 'postgres'), `drop database if exists ${name} with (force)`);
  }
}

/** A database for the suite it is called in. */
export function useCitusDatabase(coordinatorUrl: string, wishes: Wishes): () => CitusDatabase {
  let database: CitusDatabase;
  before(async () => {
    database = await createCitusDatabase(coordinatorUrl, wishes);
  });
  after(() => dropCitusDatabase(database));
  return () => database;
}

/** Settings of a mechanism Y that has much time; prefixes and the file of weights are the test's. */
export const DETECTOR_SETTINGS = {
  BATCH_ROWS: 50,
  FLUSH_AFTER_MS: 60_000,
  POLL_INTERVAL_MS: 20,
  FULL_LIST_MS: 30_000,
  CHUNK_ORDER: 'number' as const,
  GAP_TIMEOUT_MS: 60_000,
  MAX_CHUNK_BYTES: 1_000_000_000,
  PREFETCH_BYTES: 32_000_000,
};
