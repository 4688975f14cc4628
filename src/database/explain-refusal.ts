import pg from 'pg';
import { UserError, codeOf, hasSqlState, isTransientDatabaseError, messageOf } from '../errors.js';
import { connectionAdvice } from './connection-advice.js';
import { connect, describeDatabase } from './connection.js';

/** Settings of a server or role that end a statement or a session, by the SQLSTATE of the end. */
const TIMEOUTS: Record<string, string> = {
  '57014': 'statement_timeout',
  '55P03': 'lock_timeout',
  '25P03': 'idle_in_transaction_session_timeout',
  '25P04': 'transaction_timeout',
  '57P05': 'idle_session_timeout',
};

/**
 * Runs the work of a command. @throws UserError instead of an error that says that the server refuses it, now or to this
 * role: one line that says what to do.
 */
export async function explainRefusal<Result>(
  config: pg.ClientConfig,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    // a file of sql/ that fails is the cause of another error
    const refusal = [error, (error as Error).cause].find(
      (one) =>
        one instanceof Error &&
        (isTransientDatabaseError(one) ||
          hasSqlState(
            one,
            'insufficientPrivilege',
            'configuredLimitExceeded',
            'noSuchDatabase',
            'noSuchSchema',
          )),
    );
    if (error instanceof UserError || refusal === undefined) throw error;
    throw new UserError(
      `${describeDatabase(config)}: ${messageOf(refusal)}; ${await adviceOn(refusal, config)}`,
    );
  }
}

async function adviceOn(refusal: unknown, config: pg.ClientConfig): Promise<string> {
  if (hasSqlState(refusal, 'insufficientPrivilege')) {
    const { missing, remedy } = await findRights(config);
    return missing.length === 0 ? remedy : missing.join('; ');
  }
  if (hasSqlState(refusal, 'noSuchSchema')) return 'run "npm run migrate" if this is the right database';
  if (hasSqlState(refusal, 'configuredLimitExceeded'))
    return `lift the limit for this role (such as: alter role ${await currentRole(config)} set temp_file_limit = -1)`;
  const timeout = TIMEOUTS[codeOf(refusal) ?? ''];
  if (timeout === undefined) return connectionAdvice(refusal, config);
  return `if this takes its time, lift ${timeout} for this role (alter role ${await currentRole(config)} set ${timeout} = 0)`;
}

async function currentRole(config: pg.ClientConfig): Promise<string> {
  return (await ask<{ role: string }>(config, 'select quote_ident(current_user) as role'))?.role ?? '...';
}

interface Rights {
  role: string;
  database: string;
  database_owner: string;
  /** Of the schema; null if there is none. */
  owner: string | null;
  is_owner: boolean;
  is_migrated: boolean;
  may_create_schema: boolean;
  may_make_temporary_tables: boolean;
  is_member: boolean;
  inherits: boolean;
  /** Whether there is a role bankpulse_writer, and it has its rights here. */
  has_writer: boolean;
  is_writer_set_up: boolean;
}

const RIGHTS = `
  with writers as (
    select oid from pg_roles where rolname = 'bankpulse_writer'
  ),
  schemas as (
    select oid, nspowner from pg_namespace where nspname = 'bankpulse'
  ),
  ledgers as (
    select pg_class.oid
    from pg_class
    join schemas on schemas.oid = pg_class.relnamespace
    where pg_class.relname = 'chunks'
  )
  select
    quote_ident(current_user) as role,
    quote_ident(pg_database.datname) as database,
    quote_ident(pg_get_userbyid(pg_database.datdba)) as database_owner,
    (select quote_ident(pg_get_userbyid(nspowner)) from schemas) as owner,
    coalesce((select pg_has_role(nspowner, 'usage') from schemas), false) as is_owner,
    exists (select from ledgers) as is_migrated,
    has_database_privilege(pg_database.oid, 'create') as may_create_schema,
    has_database_privilege(pg_database.oid, 'temporary') as may_make_temporary_tables,
    coalesce((select pg_has_role(writers.oid, 'member') from writers), false) as is_member,
    coalesce((select pg_has_role(writers.oid, 'usage') from writers), false) as inherits,
    exists (select from writers) as has_writer,
    exists (
      select
      from writers, schemas, ledgers
      where has_schema_privilege(writers.oid, schemas.oid, 'usage')
        and has_table_privilege(writers.oid, ledgers.oid, 'insert')
    ) as is_writer_set_up
  from pg_database
  where pg_database.datname = current_database()
`;

/** What the role may do, and the rights that mechanism Y needs and it lacks, each with how to give it. */
export interface FoundRights {
  role: string;
  isOwner: boolean;
  isMigrated: boolean;
  missing: string[];
  /** What helps if nothing is missing by these questions. */
  remedy: string;
}

export async function findRights(config: pg.ClientConfig): Promise<FoundRights> {
  const rights = await ask<Rights>(config, RIGHTS);
  if (!rights) {
    const remedy =
      'run "npm run migrate" as the owner of the database, and grant bankpulse_writer to this role';
    return { role: 'this role', isOwner: false, isMigrated: false, missing: [], remedy };
  }
  const { role, is_owner: isOwner, is_migrated: isMigrated, database_owner, owner } = rights;
  const migrator = isMigrated ? `the database's schema, ${owner}` : `the database, ${database_owner}`;
  const remedy = `run "npm run migrate" as the owner of ${migrator}`;
  const missing = isMigrated ? missingInSchema(rights, remedy) : missingBefore(rights, remedy);
  return { role, isOwner, isMigrated, missing, remedy };
}

function missingBefore({ role, database, may_create_schema }: Rights, remedy: string): string[] {
  if (may_create_schema) return [];
  return [
    `the first migration creates the schema: grant create on database ${database} to ${role}, or ${remedy}`,
  ];
}

function missingInSchema(rights: Rights, remedy: string): string[] {
  const { role, database } = rights;
  const missing: string[] = [];
  if (rights.is_owner) {
    // it has all rights in the schema
  } else if (!rights.has_writer) {
    missing.push(
      'the roles bankpulse_writer and bankpulse_reader do not exist: create them, or let a role with createrole migrate; ' +
        `${remedy}; grant bankpulse_writer to this role`,
    );
  } else {
    if (!rights.is_writer_set_up) missing.push(`bankpulse_writer has lost its rights here: ${remedy}`);
    if (!rights.is_member) missing.push(`grant bankpulse_writer to ${role} (or bankpulse_reader, to read)`);
    else if (!rights.inherits)
      missing.push(
        `${role} does not inherit the rights of bankpulse_writer: alter role ${role} inherit, and grant it again`,
      );
  }
  if (!rights.may_make_temporary_tables) missing.push(`grant temporary on database ${database} to ${role}`);
  return missing;
}

/** A question on a session of its own; undefined if there is none any more: the refusal is told without it. */
async function ask<Row extends pg.QueryResultRow>(
  config: pg.ClientConfig,
  question: string,
): Promise<Row | undefined> {
  try {
    const client = await connect(config);
    try {
      return (await client.query<Row>(question)).rows[0];
    } finally {
      await client.end();
    }
  } catch {
    return undefined;
  }
}
