import type * as kysely from 'kysely';
import pg from 'pg';
import type { DatabaseSettings } from '../config.js';
import { readDatabaseUrl } from '../environment/database-url.js';
import { NO_ANSWER, asSessionError } from '../errors.js';
import { Kysely, PostgresDialect } from './kysely.js';
import type { Views } from './views.js';

/** Runs queries: a client or a pool. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** The configuration of `pg` for the database. Never log it: it holds the password. */
export function connectionConfig(settings: DatabaseSettings, embeddedUrl?: string): pg.ClientConfig {
  const url = settings.DATABASE_URL ?? embeddedUrl;
  return {
    application_name: 'bankpulse',
    keepAlive: true,
    // the system's own default is two hours
    keepAliveInitialDelayMillis: 2000,
    connectionTimeoutMillis: 5000,
    ...(url === undefined ? namedServer(settings) : readDatabaseUrl(url).config),
  };
}

/** Without DB_HOST libpq's variables say the rest, with their own defaults: what is undefined here, `pg` takes from them. */
function namedServer(settings: DatabaseSettings): pg.ClientConfig {
  const { DB_HOST, DB_PORT, DB_NAME, DB_USER, DB_PASSWORD } = settings;
  const own =
    DB_HOST === undefined
      ? { host: settings.PGHOST, port: DB_PORT, database: DB_NAME }
      : { host: DB_HOST, port: DB_PORT ?? 5432, database: DB_NAME ?? 'bankpulse' };
  return { ...own, user: DB_USER, password: DB_PASSWORD };
}

/** Server, port and database, for messages; without user and password. */
export function describeDatabase(config: pg.ClientConfig): string {
  const { host, port, database } = new pg.Client(config);
  return `database "${database ?? ''}" at ${host}:${port}`;
}

/** A pooler may take the connection, and then let the first query wait for one of the server's. */
const FIRST_ANSWER_MS = 5000;

/**
 * What the settings of a server, database or role must not change: sessions, and their transactions, wait while others
 * work; COPY carries dates from one session to another; process_chunk sees what was committed while it waited.
 */
export const SESSION_SETTINGS = [
  'set idle_session_timeout = 0',
  'set idle_in_transaction_session_timeout = 0',
  "set datestyle = 'ISO'",
  "set intervalstyle = 'postgres'",
  "set default_transaction_isolation = 'read committed'",
].join('; ');

/** Runs one of the first queries of a session. @throws an error that may pass by itself if there is no answer in time. */
export async function queryInTime<Row extends pg.QueryResultRow>(
  client: Pick<pg.ClientBase, 'query'>,
  text: string,
): Promise<Row[]> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${NO_ANSWER} within ${FIRST_ANSWER_MS / 1000} s`)),
      FIRST_ANSWER_MS,
    );
  });
  try {
    const answer = client.query<Row>(text);
    answer.catch(() => undefined); // it may fail after the time is over, when the connection is closed
    return (await Promise.race([answer, tooLate])).rows;
  } finally {
    clearTimeout(timer);
  }
}

/** A client that marks errors of its session, so that they can be told from those of a query. */
class Session extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(callback: (error?: Error) => void): void;
  override connect(callback?: (error?: Error) => void): Promise<pg.Client> | undefined {
    if (!callback)
      return super.connect().catch((error: unknown) => {
        throw asSessionError(error);
      });
    // at once, not in a later microtask: the pool then begins to listen for errors, and the server may have sent one along
    super.connect((error?: Error) => callback(asSessionError(error)));
    return undefined;
  }
}

/** A connection, with which nothing has been done. */
export async function openConnection(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new Session(config);
  keepReason(client);
  try {
    await client.connect();
  } catch (error) {
    void client.end().catch(() => undefined); // after an error of TLS it would wait for ever
    throw error;
  }
  return client;
}

/** If the server ends an idle session, the next query fails with its reason: `pg` would only say that it cannot be queried. */
function keepReason(client: pg.Client): void {
  let reason: Error | undefined;
  client.on('error', (error) => (reason ??= asSessionError(error)));
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const isStream = (first: unknown) =>
    typeof (first as { submit?: unknown } | undefined)?.submit === 'function';
  client.query = ((...args: unknown[]) =>
    reason && !isStream(args[0]) ? Promise.reject(reason) : query(...args)) as typeof client.query;
}

/**
 * A connected client of its own, for COPY, transactions and session locks. If the server ends its session while it is
 * idle, the next query fails.
 */
export async function connect(config: pg.ClientConfig): Promise<pg.Client> {
  const client = await openConnection(config);
  try {
    await queryInTime(client, SESSION_SETTINGS);
  } catch (error) {
    void client.end().catch(() => undefined); // while the query waits it may wait, too
    throw error;
  }
  return client;
}

/** A server on Windows refuses this setting. */
const SET_CONNECTION_CHECK = "set client_connection_check_interval = '1s'";

/**
 * As `connect`, for long statements: when this process is gone, the server cancels the statement within a second.
 * Without the check the statement would go on, and hold its locks.
 */
export async function connectChecked(config: pg.ClientConfig): Promise<pg.Client> {
  const client = await connect(config);
  await client.query(SET_CONNECTION_CHECK).catch(() => undefined); // in a lost session the next statement fails, too
  return client;
}

/** A pool for reads; `end()` closes it. */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({
    ...config,
    Client: Session,
    verify: (client, done) => void queryInTime(client, 'select').then(() => done(), done),
  });
  // a lost connection, of an idle or of a busy client, makes queries fail, which is enough
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** Typed reads on a session that is open already, and stays open. */
export function viewsOn(client: pg.Client): kysely.Kysely<Views> {
  const query = client.query.bind(client);
  const pool = {
    connect: () => Promise.resolve({ query, release: () => undefined }),
    end: () => Promise.resolve(),
  };
  return new Kysely<Views>({ dialect: new PostgresDialect({ pool }) }).withSchema('bankpulse');
}

/** No read takes this long unless its connection hangs. */
const READ_MS = 60_000;

/** Typed reads of views and tables; `destroy()` closes the connections. */
export function openViews(config: pg.ClientConfig): kysely.Kysely<Views> {
  const pool = openPool({ ...config, max: 2, query_timeout: READ_MS });
  return new Kysely<Views>({ dialect: new PostgresDialect({ pool }) }).withSchema('bankpulse');
}
