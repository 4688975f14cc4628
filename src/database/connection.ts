import type * as kysely from 'kysely';
import pg from 'pg';
import type { DatabaseSettings } from '../config.js';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { Kysely, PostgresDialect } from './kysely.js';
import { certificateAdvice } from '../errors.js';
import type { Views } from './views.js';

/** Whatever runs a query: a client of its own, or a pool. */
export type Queryable = Pick<pg.ClientBase, 'query'>;

/** Where the database is, as `pg` wants it. Never log it: it holds the password. */
export function connectionConfig(settings: DatabaseSettings, embeddedUrl?: string): pg.ClientConfig {
  const url = settings.DATABASE_URL ?? (settings.DB_HOST === undefined ? embeddedUrl : undefined);
  return {
    ...(url === undefined
      ? {
          host: settings.DB_HOST,
          port: settings.DB_PORT,
          database: settings.DB_NAME,
          user: settings.DB_USER,
          password: settings.DB_PASSWORD,
        }
      : { connectionString: url }),
    application_name: 'bankpulse',
    keepAlive: true,
    // the system's own default is two hours
    keepAliveInitialDelayMillis: 2000,
    connectionTimeoutMillis: 5000,
  };
}

/** Server, port and database, for messages; no user, no password. */
export function describeDatabase(config: pg.ClientConfig): string {
  const { host, port, database } = new pg.Client(config);
  return `database "${database ?? ''}" at ${host}:${port}`;
}

/**
 * A connected client of its own, for COPY, transactions and session locks. Errors of an idle connection are left
 * to the next query, which fails then.
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

/** A server on Windows cannot, and refuses. */
const SET_CHECK = "set client_connection_check_interval = '1s'";

/**
 * As `connect`, for long statements: the server ends one within a second when this process is gone. Otherwise it would
 * go on with it, and hold what it has locked.
 */
export async function connectChecked(config: pg.ClientConfig): Promise<pg.Client> {
  const client = await connect(config);
  await client.query(SET_CHECK).catch(() => undefined); // a session that is lost shows with the next statement
  return client;
}

const TRUST =
  'name the file of its CA: sslrootcert=FILE in DATABASE_URL, or NODE_EXTRA_CA_CERTS=FILE in the environment';

/** As `connect`, at the start of a command: what fails is said in one line, with what to do. */
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

/** A pool for reads. Ends with `end()`. */
export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  // an idle client that loses its connection, and one that is at work: the query fails, which is enough
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** None of the reads takes so long: their connection hangs. */
const READ_MS = 60_000;

/** Reads of views and tables, typed. Ends with `destroy()`. */
export function openViews(config: pg.ClientConfig): kysely.Kysely<Views> {
  const pool = openPool({ ...config, max: 2, query_timeout: READ_MS });
  return new Kysely<Views>({ dialect: new PostgresDialect({ pool }) }).withSchema('bankpulse');
}
