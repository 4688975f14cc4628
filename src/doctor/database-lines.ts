import { TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import pg from 'pg';
import { connectionAdvice } from '../database/connection-advice.js';
import { describeDatabase, openConnection, queryInTime } from '../database/connection.js';
import { explainRefusal, findRights } from '../database/explain-refusal.js';
import { pendingChanges } from '../database/schema.js';
import { checkSessions, checkVersion, checkWritable, isBehindPooler } from '../database/server-check.js';
import { UserError, messageOf } from '../errors.js';
import { counted } from '../text/numbers.js';
import { clockFinding } from './clock.js';
import { closeSoon, note, ok, toDo, type Examination, type Finding } from './examination.js';

/** Of a Y that works, and of its dashboard. */
const CONNECTIONS = 9;

const NEEDS_POSTGRES = ['encoding', 'writing', 'pooler', 'connections', 'schema', 'rights'];
const NEEDS_CONNECTION = ['version', 'TLS', 'clock', ...NEEDS_POSTGRES];

/** Why no database is looked at. */
export function skipDatabase(examination: Examination, why: string): undefined {
  examination.skip(why, 'connection', ...NEEDS_CONNECTION);
}

/** @returns whether the schema is there and up to date: then the owner of the files can be asked for. */
export async function examineDatabase(examination: Examination, config: pg.ClientConfig): Promise<boolean> {
  let client: pg.Client | undefined;
  const place = describeDatabase(config);
  await examination.try('connection', async () => {
    client = await openConnection(config).catch((error: unknown) => {
      throw new UserError(
        `cannot connect to ${place}: ${messageOf(error).trim()}; ${connectionAdvice(error, config)}`,
      );
    });
    return ok(`${place}, as ${client.user ?? ''}`);
  });
  if (!client) {
    examination.skip('there is no connection', ...NEEDS_CONNECTION);
    return false;
  }
  try {
    return await examineServer(examination, config, client);
  } finally {
    await closeSoon(client.end());
    streamOf(client).destroy();
  }
}

async function examineServer(
  examination: Examination,
  config: pg.ClientConfig,
  client: pg.Client,
): Promise<boolean> {
  const place = describeDatabase(config);
  const isPostgres = await examination.try('version', async () => ok(await checkVersion(client, place)));
  await examination.try('TLS', () => tlsOf(client, config));
  await examination.try('clock', async () => {
    const before = Date.now();
    const [row] = await queryInTime<{ now: string }>(
      client,
      'select (extract(epoch from clock_timestamp()) * 1000)::text as now',
    );
    return clockFinding('the database', Number(row!.now), before, Date.now());
  });
  if (!isPostgres) {
    examination.skip('it needs a PostgreSQL of a version that is supported', ...NEEDS_POSTGRES);
    return false;
  }
  await examination.try('encoding', async () => {
    const [row] = await queryInTime<{ server_encoding: string }>(client, 'show server_encoding');
    const encoding = row!.server_encoding;
    return encoding === 'UTF8' ? ok(encoding) : toDo(`${encoding}: create the database with encoding UTF8`);
  });
  await examination.try('writing', async () => {
    await checkWritable(client, place);
    return ok('neither a standby nor read only');
  });
  await examination.try('pooler', async () => {
    await checkSessions(client, config, place);
    return ok((await isBehindPooler(client)) ? 'a pooler that gives sessions' : 'none');
  });
  await examination.try('connections', () => connectionsFor(client));
  const isUpToDate = await examination.try('schema', () =>
    explainRefusal(config, () => schemaFinding(client)),
  );
  await examination.try('rights', async () => {
    const { role, isOwner, missing } = await findRights(config);
    if (missing.length > 0) return toDo(missing.join('; '));
    return ok(`${role} ${isOwner ? 'owns the schema' : 'may all that mechanism Y needs'}`);
  });
  return isUpToDate;
}

/** `pg` does not tell. */
const streamOf = (client: pg.Client) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

function tlsOf(client: pg.Client, config: pg.ClientConfig): Finding {
  const stream = streamOf(client);
  if (stream instanceof TLSSocket) {
    const protocol = stream.getProtocol() ?? 'TLS';
    const ssl: unknown = new pg.Client(config).ssl;
    const isVerified = !(ssl instanceof Object && 'rejectUnauthorized' in ssl && !ssl.rejectUnauthorized);
    return isVerified
      ? ok(`${protocol}, and its certificate is trusted`)
      : note(`${protocol}; the certificate is not checked: sslmode=verify-full does`);
  }
  const isLocal = client.host.startsWith('/') || /^(::1|::ffff:127\.|127\.)/.test(stream.remoteAddress ?? '');
  if (isLocal) return ok('none, on this machine');
  return note(
    'none: who stands between can read rows and detections; sslmode=verify-full in DATABASE_URL, or PGSSLMODE with DB_HOST',
  );
}

interface Limits {
  free_of_server: number;
  free_of_role: number | null;
  free_of_database: number | null;
  own: number;
}

/** Sessions of a Y that works already count as free: they are those it needs. */
async function connectionsFor(client: pg.Client): Promise<Finding> {
  const [limits] = await queryInTime<Limits & pg.QueryResultRow>(
    client,
    `with sessions as (
       -- backend_type is not told of other roles' sessions
       select usename, datname, application_name from pg_stat_activity where datname is not null
     )
     select
       (
         current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0)
         - (select count(*) from sessions)
       )::int as free_of_server,
       (
         select rolconnlimit - (select count(*) from sessions where usename = current_user)
         from pg_roles
         where rolname = current_user and rolconnlimit >= 0 and not rolsuper
       )::int as free_of_role,
       (
         select datconnlimit - (select count(*) from sessions where datname = current_database())
         from pg_database
         where datname = current_database() and datconnlimit >= 0
       )::int as free_of_database,
       (
         select count(*) from sessions
         where usename = current_user and datname = current_database() and application_name like 'bankpulse%'
       )::int as own`,
  );
  const { free_of_server, free_of_role, free_of_database, own } = limits!;
  const free = Math.max(0, Math.min(free_of_server, free_of_role ?? Infinity, free_of_database ?? Infinity));
  // this one ends with the doctor
  const used = own - 1;
  const text = `${counted(free + 1, 'more session')} may be opened, and BankPulse has ${used}`;
  if (await isBehindPooler(client))
    return note(`${text}; the pooler has limits of its own: mechanism Y needs 6, its dashboard 3`);
  if (free + own >= CONNECTIONS) return ok(text);
  return toDo(
    `${text}: mechanism Y needs 6, its dashboard 3; raise max_connections, or the connection limit of the role or database`,
  );
}

async function schemaFinding(client: pg.Client): Promise<Finding> {
  const { migrations, sqlFiles } = await pendingChanges(client);
  if (migrations.length + sqlFiles.length === 0) return ok('up to date');
  return toDo(
    `${counted(migrations.length, 'migration')} and ${counted(sqlFiles.length, 'file')} of sql/ are not applied: run "npm run migrate"`,
  );
}
