import type pg from 'pg';
import { UserError, isTransientDatabaseError, messageOf } from '../errors.js';
import { connectionAdvice } from './connection-advice.js';
import { SESSION_SETTINGS, describeDatabase, queryInTime, openConnection } from './connection.js';

const OLDEST_VERSION = 15;

/** What a command needs of the server, besides reads. */
export interface Needs {
  /** It writes. */
  writes?: boolean;
  /** It works with session locks and temporary tables, or switches its role. */
  sessions?: boolean;
}

export const READS: Needs = {};
export const WRITES: Needs = { writes: true };
/** What mechanism Y, migrations and audits need. */
export const WRITES_IN_SESSIONS: Needs = { writes: true, sessions: true };

/**
 * As `connect`, at the start of a command, when it is not known yet what answers there.
 * @throws UserError: one line that says what is there, and what to do.
 */
export async function connectOrExplain(config: pg.ClientConfig, needs: Needs): Promise<pg.Client> {
  let client: pg.Client | undefined;
  try {
    client = await openConnection(config);
    await checkServer(client, config, needs);
    if (needs.sessions) await queryInTime(client, SESSION_SETTINGS);
    return client;
  } catch (error) {
    void client?.end().catch(() => undefined);
    if (error instanceof UserError) throw error;
    throw new UserError(
      `cannot connect to ${describeDatabase(config)}: ${messageOf(error).trim()}; ${connectionAdvice(error, config)}`,
    );
  }
}

async function checkServer(client: pg.Client, config: pg.ClientConfig, needs: Needs): Promise<void> {
  const place = describeDatabase(config);
  await checkVersion(client, place);
  if (needs.writes) await checkWritable(client, place);
  if (needs.sessions) await checkSessions(client, config, place);
}

/** @returns the name and version of what answers. @throws UserError if it is not, or an older, PostgreSQL. */
export async function checkVersion(client: pg.Client, place: string): Promise<string> {
  const product = await whatAnswers(client);
  const version = /^PostgreSQL (\d+)/.exec(product)?.[1];
  if (version === undefined || Number(version) < OLDEST_VERSION)
    throw new UserError(`${place} is ${product}; BankPulse needs PostgreSQL ${OLDEST_VERSION} or newer`);
  return product;
}

/** The name and version of what answers, in its own words. Other servers speak PostgreSQL's protocol, too. */
async function whatAnswers(client: pg.Client): Promise<string> {
  try {
    const [row] = await queryInTime<{ version: string }>(client, 'select version() as version');
    return String(row?.version).replace(/ on \S+, compiled by [^,]*(, \d\d-bit)?/, '');
  } catch (error) {
    if (isTransientDatabaseError(error)) throw error;
    return `not PostgreSQL, and cannot tell its version (${messageOf(error)})`;
  }
}

/** @throws UserError if nothing can be written. */
export async function checkWritable(client: pg.Client, place: string): Promise<void> {
  const [row] = await queryInTime<{ is_standby: boolean; is_read_only: boolean; role: string }>(
    client,
    `select
       pg_is_in_recovery() as is_standby,
       current_setting('transaction_read_only')::boolean as is_read_only,
       quote_ident(current_user) as role`,
  );
  const { is_standby, is_read_only, role } = row!;
  if (is_standby) throw new UserError(`${place} may only be read: it is a standby; name the primary`);
  if (is_read_only) {
    throw new UserError(
      `${place} may only be read: default_transaction_read_only is on for this role, database or server; ` +
        `set it off (alter role ${role} set default_transaction_read_only = off), or use another role`,
    );
  }
}

/** How often it is looked whether a session keeps its server process. */
const LOOKS = 3;

/** A pooler gives its clients a number of its own instead of the server process's. */
export async function isBehindPooler(client: pg.Client): Promise<boolean> {
  return (await backendOf(client)) !== (client as unknown as { processID: number }).processID;
}

/**
 * A pooler that pools transactions or statements lets another client have the server process of this one, as soon as it
 * is idle; or this one gets another.
 * @throws UserError if it does.
 */
export async function checkSessions(
  client: pg.Client,
  config: pg.ClientConfig,
  place: string,
): Promise<void> {
  if (!(await isBehindPooler(client))) return;
  // some poolers bind a session to its server process once it has a setting of its own
  await queryInTime(client, "set bankpulse.is_session = 'on'");
  const pid = await backendOf(client);
  const refuse = (): never => {
    throw new UserError(
      `${place} is behind a pooler that gives each transaction another session (pool_mode=transaction or statement), ` +
        'but BankPulse needs sessions of its own, for locks and temporary tables: ' +
        'connect to the server directly, or through a pool with pool_mode=session',
    );
  };
  const other = await openConnection(config);
  try {
    await queryInTime(other, 'begin');
    if ((await backendOf(other)) === pid) refuse();
    for (let look = 0; look < LOOKS; look++) if ((await backendOf(client)) !== pid) refuse();
  } catch (error) {
    // in statement mode it refuses transactions
    if (/transaction blocks not allowed/.test(messageOf(error))) refuse();
    throw error;
  } finally {
    void other.end().catch(() => undefined);
  }
}

async function backendOf(client: pg.Client): Promise<number> {
  const [row] = await queryInTime<{ pid: number }>(client, 'select pg_backend_pid() as pid');
  return row!.pid;
}
