import type * as kysely from 'kysely';
import pg from 'pg';
import type { DatabaseSettings } from '../config.js';
import { readDatabaseUrl } from '../database-url.js';
import { UserError, certificateAdvice, hasSqlState, messageOf } from '../errors.js';
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

/**
 * A connected client of its own, for COPY, transactions and session locks. The error event of an idle connection is
 * ignored, since the next query fails anyway.
 */
export async function connect(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
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

const TRUST =
  'name the file of its CA: sslrootcert=FILE in DATABASE_URL, or NODE_EXTRA_CA_CERTS=FILE in the environment';

/** As `connect`, at the start of a command. @throws UserError: one line that says what failed and what to do. */
export async function connectOrExplain(config: pg.ClientConfig): Promise<pg.Client> {
  try {
    return await connect(config);
  } catch (error) {
    const advice = hasSqlState(error, 'noSuchDatabase')
      ? 'create it (createdb) or set DB_NAME or DATABASE_URL to one that exists'
      : hasSqlState(error, 'invalidPassword', 'invalidAuthorization')
        ? 'check DB_USER and DB_PASSWORD, or DATABASE_URL'
        : (certificateAdvice(error, TRUST) ??
          'check that PostgreSQL runs there, and DB_HOST and DB_PORT, or DATABASE_URL');
    throw new UserError(`cannot connect to ${describeDatabase(config)}: ${messageOf(error)}; ${advice}`);
  }
}

/** A pool for reads; `end()` closes it. */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  // a lost connection, of an idle or of a busy client, makes queries fail, which is enough
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** No read takes this long unless its connection hangs. */
const READ_MS = 60_000;

/** Typed reads of views and tables; `destroy()` closes the connections. */
export function openViews(config: pg.ClientConfig): kysely.Kysely<Views> {
  const pool = openPool({ ...config, max: 2, query_timeout: READ_MS });
  return new Kysely<Views>({ dialect: new PostgresDialect({ pool }) }).withSchema('bankpulse');
}
