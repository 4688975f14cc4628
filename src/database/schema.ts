import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type pg from 'pg';
import { projectDir, version } from '../config.js';
import { ADVISORY_LOCK } from './advisory-locks.js';
import type { Queryable } from './connection.js';
import { isDistributed } from './distribution.js';
import { explainRefusal } from './explain-refusal.js';
import { UserError, codeOf, hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { becomeOwner } from './owner.js';
import { LANES, decideLanes, withoutLanes } from './lanes.js';
import { PATTERNS, refuseNewerSchema, type KnownFiles } from './newer-schema.js';

const migrationsDir = join(projectDir, 'migrations');
const sqlDir = join(projectDir, 'sql');

interface SqlFile {
  fileName: string;
  sha256: string;
  content: string;
}

export interface SchemaChanges {
  /** Names of files in migrations/ that have not run. */
  migrations: string[];
  /** Names of files in sql/ that are new or have changed. */
  sqlFiles: string[];
}

/** The SQL files below a folder, as paths relative to it, in path order. */
async function sqlFileNames(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.sql')).sort();
}

async function readSqlFiles(): Promise<SqlFile[]> {
  return Promise.all(
    (await sqlFileNames(sqlDir)).map(async (fileName) => {
      const content = await readFile(join(sqlDir, fileName), 'utf8');
      return { fileName, content, sha256: createHash('sha256').update(content).digest('hex') };
    }),
  );
}

/** Grants rights on all objects of the schema. Applied each time: a restored database has lost them, if dumped without. */
const GRANTS = '14_grants/grants.sql';

/** Whether PostgreSQL refuses the file itself: its syntax, a name in it, or the row of the pattern. */
function isPatternFault(error: unknown): boolean {
  return /^(22|23|42|BP)/.test(codeOf(error) ?? '') && !hasSqlState(error, 'insufficientPrivilege');
}

/** The files of sql/ that are new or changed for this database. */
async function changedSqlFiles(client: Queryable): Promise<SqlFile[]> {
  const { rows } = await client.query<{ file_name: string; sha256: string }>(
    'select file_name, sha256 from bankpulse.applied_sql_files',
  );
  const applied = new Map(rows.map((row) => [row.file_name, row.sha256]));
  return (await readSqlFiles()).filter((file) => applied.get(file.fileName) !== file.sha256);
}

/** The names of the files, in path order; of the grants, too, if something else has changed. */
function withGrants(files: readonly SqlFile[], hasMigrated: boolean): string[] {
  const names = files.map(({ fileName }) => fileName);
  const areGrantsDue = (hasMigrated || names.length > 0) && !names.includes(GRANTS);
  return areGrantsDue ? [...names, GRANTS].sort() : names;
}

const migrationNames = async () => (await sqlFileNames(migrationsDir)).map((name) => basename(name, '.sql'));

/** Read once: a process that goes on while the files are those of a newer version already is still of its own version. */
let known: Promise<KnownFiles> | undefined;

async function knownFiles(): Promise<KnownFiles> {
  return { migrations: await migrationNames(), sqlFiles: await sqlFileNames(sqlDir) };
}

/** @throws UserError if a newer version has migrated this database. */
export async function checkSchemaVersion(client: Queryable): Promise<void> {
  await refuseNewerSchema(client, await (known ??= knownFiles()));
}

/**
 * What `migrate` would do now. Reads bankpulse.migrations, bankpulse.applied_sql_files and bankpulse.pipeline.
 * @throws UserError if a newer version has migrated this database.
 */
export async function pendingChanges(client: Queryable): Promise<SchemaChanges> {
  await checkSchemaVersion(client);
  const names = await migrationNames();
  const { rows } = await client.query<{ is_new: boolean }>(
    `select to_regclass('bankpulse.applied_sql_files') is null as is_new`,
  );
  if (rows[0]?.is_new !== false) return { migrations: names, sqlFiles: await sqlFileNames(sqlDir) };
  const ran = await client.query<{ name: string }>('select name from bankpulse.migrations');
  const ranNames = new Set(ran.rows.map((row) => row.name));
  const migrations = names.filter((name) => !ranNames.has(name));
  return { migrations, sqlFiles: withGrants(await changedSqlFiles(client), migrations.length > 0) };
}

/** @returns whether there is a schema. @throws UserError if this role may change nothing in it. */
async function checkSchema(client: Queryable): Promise<boolean> {
  const { rows } = await client.query<{ owner: string; role: string; may_create: boolean }>(
    `select
       quote_ident(pg_get_userbyid(nspowner)) as owner,
       quote_ident(current_user) as role,
       has_schema_privilege(oid, 'create') as may_create
     from pg_namespace
     where nspname = 'bankpulse'`,
  );
  const [schema] = rows;
  if (schema && !schema.may_create) {
    throw new UserError(
      `${schema.role} may not change schema bankpulse: run "npm run migrate" as the owner of the database's schema, ${schema.owner}`,
    );
  }
  return schema !== undefined;
}

/** Citus says of each view and function that reads a local table that it does not create it on the workers, where nothing needs it. */
const IS_LEFT_TO_COORDINATOR = /has dependency to .* that is not in Citus' metadata/;

const LOCK_LEDGER =
  'lock table bankpulse.chunks, bankpulse.detections, bankpulse.detection_batches in share row exclusive mode';

/**
 * Applies files of sql/ in path order, all or none. Removes the records of files that no longer exist, and records this
 * version, if it has changed anything.
 */
async function applySqlFiles(
  client: Queryable,
  files: readonly SqlFile[],
  hasChanges: boolean,
): Promise<void> {
  await client.query('begin');
  try {
    // in the order in which a working Y locks them: files that create triggers would lock them in another
    if (files.some(({ fileName }) => fileName !== GRANTS)) await client.query(LOCK_LEDGER);
    const areLanesDecided = decideLanes(files.map(({ fileName }) => fileName));
    for (const file of files) {
      if (file.fileName === GRANTS) {
        // after all that makes them, and before the rights on them
        if (areLanesDecided && (await isDistributed(client)))
          await client.query('select bankpulse.make_lanes(p_lane_count => $1)', [LANES]);
        // It creates roles, which the login role may do, and the owner of the schema perhaps not. Behind new lanes it remains the
        // owner: Citus logs in to its workers as each role apart, and one would wait there for what the other has made.
        else await client.query('set local role none');
      }
      await client.query(file.content).catch((error: unknown) => {
        if (file.fileName.startsWith(PATTERNS) && isPatternFault(error)) {
          throw new UserError(`sql/${file.fileName}: ${messageOf(error)}; correct it and migrate again`);
        }
        throw new Error(`sql/${file.fileName}: ${(error as Error).message}`, { cause: error });
      });
    }
    await client.query(
      `insert into bankpulse.applied_sql_files (file_name, sha256)
       select file_name, sha256 from unnest($1::text[], $2::text[]) as applied (file_name, sha256)
       on conflict (file_name) do update set sha256 = excluded.sha256, applied_at = clock_timestamp()`,
      [files.map(({ fileName }) => fileName), files.map(({ sha256 }) => sha256)],
    );
    await client.query('delete from bankpulse.applied_sql_files where file_name <> all ($1)', [
      await sqlFileNames(sqlDir),
    ]);
    await client.query(
      'update bankpulse.pipeline set schema_version = $1 where schema_version is null or $2',
      [version, hasChanges],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** Runs the pending migrations, then applies the changed files of sql/. */
async function bringUpToDate(client: pg.Client, log: Logger, hasSchema: boolean): Promise<SchemaChanges> {
  // loaded only here: most commands only check whether something is pending
  const { runner } = await import('node-pg-migrate');
  const ran = await runner({
    dbClient: client,
    dir: migrationsDir,
    direction: 'up',
    migrationsTable: 'migrations',
    migrationsSchema: 'bankpulse',
    // even if it exists, PostgreSQL demands the right to create it
    createMigrationsSchema: !hasSchema,
    // the caller's lock also covers sql/, and waits instead of failing
    noLock: true,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (text) => log.warn(text),
      error: () => undefined,
    },
  });
  const changed = await changedSqlFiles(client);
  const applied = withGrants(changed, true);
  await applySqlFiles(
    client,
    (await readSqlFiles()).filter(({ fileName }) => applied.includes(fileName)),
    ran.length + changed.length > 0,
  );
  await client.query('select bankpulse.advance_sequences()');
  return {
    migrations: ran.map((migration) => migration.name),
    sqlFiles: withGrants(changed, ran.length > 0),
  };
}

/**
 * Brings the schema up to date: runs the pending files of migrations/, then applies the changed files of sql/.
 * Safe to call again, and by several processes at once.
 * @throws UserError if the database does not hold UTF-8, if a newer version has migrated it, or if it has lanes that must be
 * made anew and a mechanism Y works.
 */
export async function migrate(client: pg.Client, log: Logger): Promise<SchemaChanges> {
  const { rows } = await client.query<{ server_encoding: string }>('show server_encoding');
  if (rows[0]?.server_encoding !== 'UTF8') {
    throw new UserError(`the database is encoded in ${rows[0]?.server_encoding}; BankPulse needs UTF8`);
  }
  const warn = ({
    severity,
    message = '',
  }: {
    severity?: string | undefined;
    message?: string | undefined;
  }) => {
    if (severity === 'WARNING' && !IS_LEFT_TO_COORDINATOR.test(message)) log.warn(message);
  };
  client.on('notice', warn);
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK.migration]);
  try {
    await becomeOwner(client);
    await checkSchemaVersion(client).catch((error: unknown) => {
      // checkSchema says it better
      if (!hasSqlState(error, 'insufficientPrivilege')) throw error;
    });
    const hasSchema = await checkSchema(client);
    const pending = await pendingChanges(client);
    const work = () => bringUpToDate(client, log, hasSchema);
    return pending.migrations.length > 0 || decideLanes(pending.sqlFiles)
      ? await withoutLanes(client, work)
      : await work();
  } finally {
    client.off('notice', warn);
    await client.query('reset role').catch(() => undefined);
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK.migration]).catch(() => undefined);
  }
}

/**
 * Migrates if something is pending, as `start` and `detect` do.
 * @throws UserError if this role may not: it says which role must migrate.
 */
export async function migrateIfPending(
  client: pg.Client,
  config: pg.ClientConfig,
  log: Logger,
): Promise<void> {
  await explainRefusal(config, async () => {
    const { migrations, sqlFiles } = await pendingChanges(client);
    if (migrations.length + sqlFiles.length === 0) return;
    log.info('bringing the schema up to date');
    await migrate(client, log);
    log.info({ migrations: migrations.length, sqlFiles: sqlFiles.length }, 'schema brought up to date');
  });
}
