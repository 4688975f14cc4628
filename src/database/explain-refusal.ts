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

/** For a statement; `...` if it cannot be asked for. */
export async function currentRole(config: pg.ClientConfig): Promise<string> {
  return (await ask<{ role: string }>(config, 'select quote_ident(current_user) as role'))?.role ?? '...';
}

/** Of one of the two roles of the schema, and this session's role in it. */
interface Group {
  is_member: boolean;
  inherits: boolean;
  /** Whether it has its rights here. */
  is_set_up: boolean;
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
  /** Null if there is no such role. */
  writer: Group | null;
  reader: Group | null;
}

const RIGHTS = `
  with schemas as (
    select oid, nspowner from pg_namespace where nspname = 'bankpulse'
  ),
  ledgers as (
    select pg_class.oid
    from pg_class
    join schemas on schemas.oid = pg_class.relnamespace
    where pg_class.relname = 'chunks'
  ),
  memberships as (
    select
      pg_roles.rolname,
      jsonb_build_object(
        'is_member', pg_has_role(pg_roles.oid, 'member'),
        'inherits', pg_has_role(pg_roles.oid, 'usage'),
        'is_set_up', exists (
          select
          from schemas, ledgers
          where has_schema_privilege(pg_roles.oid, schemas.oid, 'usage')
            and has_table_privilege(pg_roles.oid, ledgers.oid, privileges.name)
        )
      ) as facts
    from pg_roles
    join (values ('bankpulse_writer', 'insert'), ('bankpulse_reader', 'select')) as privileges (rolname, name)
      on privileges.rolname = pg_roles.rolname
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
    (select facts from memberships where rolname = 'bankpulse_writer') as writer,
    (select facts from memberships where rolname = 'bankpulse_reader') as reader
  from pg_database
  where pg_database.datname = current_database()
`;

/** What the role may do, and the rights that mechanism Y needs and it lacks, each with how to give it. */
export interface FoundRights {
  role: string;
  isOwner: boolean;
  isMigrated: boolean;
  missing: string[];
  /** What helps if mechanism Y has what it needs: the audit reads more. */
  remedy: string;
}

export async function findRights(config: pg.ClientConfig): Promise<FoundRights> {
  const rights = await ask<Rights>(config, RIGHTS);
  if (!rights) {
    const remedy =
      'run "npm run migrate" as the owner of the database, and grant bankpulse_writer to this role';
    return { role: 'this role', isOwner: false, isMigrated: false, missing: [], remedy };
  }
  const { role, is_owner: isOwner, is_migrated: isMigrated, database_owner, owner, reader } = rights;
  const migrator = isMigrated ? `the database's schema, ${owner}` : `the database, ${database_owner}`;
  const migrating = `run "npm run migrate" as the owner of ${migrator}`;
  const missing = isMigrated ? missingInSchema(rights, migrating) : missingBefore(rights, migrating);
  const readsAll = isOwner || !isMigrated || (reader?.is_set_up && reader.inherits);
  const remedy = readsAll
    ? migrating
    : missingInGroup('bankpulse_reader', rights, reader, migrating).join('; ');
  return { role, isOwner, isMigrated, missing, remedy };
}

function missingBefore({ role, database, may_create_schema }: Rights, migrating: string): string[] {
  if (may_create_schema) return [];
  return [
    `the first migration creates the schema: grant create on database ${database} to ${role}, or ${migrating}`,
  ];
}

function missingInSchema(rights: Rights, migrating: string): string[] {
  const { role, database, is_owner, writer, reader, may_make_temporary_tables } = rights;
  const missing: string[] = [];
  if (is_owner) {
    // it has all rights in the schema
  } else if (!writer?.is_member && reader?.is_member) {
    const lost = reader.is_set_up ? [] : missingInGroup('bankpulse_reader', rights, reader, migrating);
    missing.push(...lost, `${role} may only read: grant bankpulse_writer to ${role}, to write`);
  } else missing.push(...missingInGroup('bankpulse_writer', rights, writer, migrating));
  if (!may_make_temporary_tables) missing.push(`grant temporary on database ${database} to ${role}`);
  return missing;
}

/** What a role lacks to have the rights of one of the two roles. */
function missingInGroup(name: string, { role }: Rights, group: Group | null, migrating: string): string[] {
  if (!group) {
    return [
      'the roles bankpulse_writer and bankpulse_reader do not exist: create them, or let a role with createrole migrate; ' +
        `${migrating}; grant ${name} to this role`,
    ];
  }
  const missing: string[] = [];
  if (!group.is_set_up) missing.push(`${name} has lost its rights here: ${migrating}`);
  if (!group.is_member) {
    const orReader = name === 'bankpulse_writer' ? ' (or bankpulse_reader, to read)' : '';
    missing.push(`grant ${name} to ${role}${orReader}`);
  } else if (!group.inherits)
    missing.push(
      `${role} does not inherit the rights of ${name}: alter role ${role} inherit, and grant it again`,
    );
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
