import type pg from 'pg';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { lockElection } from './advisory-locks.js';
import { SqlFunctions } from './functions.js';
import { LANES } from './lanes.js';
import { becomeOwner } from './owner.js';

/** Shards of each table unless the user says otherwise: for three workers, two each; each costs the coordinator a little. */
export const DEFAULT_SHARDS = 6;

/** What `distribute` has done. */
export interface Distribution {
  workers: number;
  shards: number;
  /** The tables and lanes that were distributed now. */
  distributed: string[];
}

/** @throws UserError if the extension is not in this database, or if it knows no worker. */
async function countWorkers(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ has_citus: boolean }>(
    `select exists (select from pg_extension where extname = 'citus') as has_citus`,
  );
  const [first, second] = ['create extension citus', "select citus_add_node('HOST', PORT)"];
  const steps = `say "${first}" in this database and in the one of the same name on each worker, and "${second}" here for each worker, then run this again`;
  if (!rows[0]?.has_citus) throw new UserError(`this database has no extension citus: ${steps}`);
  const workers = await client.query('select from citus_get_active_worker_nodes()');
  if (!workers.rowCount) throw new UserError(`Citus knows no worker: ${steps}`);
  return workers.rowCount;
}

/** Whether the running state is distributed over workers. */
export async function isDistributed(client: Pick<pg.ClientBase, 'query'>): Promise<boolean> {
  const { rows } = await client.query<{ value: boolean }>('select bankpulse.is_distributed() as value');
  return rows[0]?.value === true;
}

/** Lanes are schemas of the owner. @throws UserError with the statement that lets the session's role create them. */
async function checkMayCreateSchemas(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ role: string; statement: string }>(
    `select current_user as role, format('grant create on database %I to %I', current_database(), current_user) as statement
     where not has_database_privilege(current_database(), 'create')`,
  );
  const [lacking] = rows;
  if (!lacking) return;
  throw new UserError(
    `role "${lacking.role}", which owns the tables, may not create the schemas of the staging tables: say "${lacking.statement}", then run this again`,
  );
}

/**
 * Checks what `distribute` needs, and changes nothing; keeps every mechanism Y standing by while this session lives.
 * @returns the number of workers. @throws UserError if there is no Citus or no worker, or if a mechanism Y works.
 */
export async function prepareDistribution(client: pg.Client): Promise<number> {
  const workers = await countWorkers(client);
  await lockElection(client);
  return workers;
}

/**
 * Distributes the running state over the workers that Citus knows, with all that it holds, in one transaction, as the
 * holder of the lease: no mechanism Y works meanwhile. What is distributed already stays as it is.
 * @throws UserError if there is no Citus or no worker, if a mechanism Y works, or if this role does not own the tables.
 */
export async function distribute(client: pg.Client, wantedShards?: number): Promise<Distribution> {
  const workers = await prepareDistribution(client);
  const functions = new SqlFunctions(client);
  // the lanes are then of the role that migrate drops and makes them as
  await becomeOwner(client);
  await client.query('begin isolation level read committed');
  try {
    const runId = await functions.registerRun();
    await functions.tryTakeOver(runId); // this session has the lock of the election
    const { rows } = await client.query<{ name: string }>(
      'select name from bankpulse.distribute_state(p_shard_count => $1, p_lane_count => $2) as name',
      [wantedShards ?? DEFAULT_SHARDS, LANES],
    );
    await functions.endRun(runId);
    const tables = await client.query<{ shard_count: string }>(
      `select shard_count from citus_tables where table_name = 'bankpulse.customer_merchant_stats'::regclass`,
    );
    const shards = Number(tables.rows[0]?.shard_count);
    if (wantedShards !== undefined && wantedShards !== shards) {
      throw new UserError(
        `the state is distributed in ${shards} shards already, and the first time decides: leave out --shards`,
      );
    }
    await client.query('select bankpulse.await_workers()');
    // without a trace, if there was nothing to do
    await client.query(rows.length > 0 ? 'commit' : 'rollback');
    return { workers, shards, distributed: rows.map(({ name }) => name) };
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    if (!hasSqlState(error, 'insufficientPrivilege')) throw error;
    await checkMayCreateSchemas(client);
    throw new UserError(
      `this role may not distribute the tables: run this as the role that owns them and migrates (${messageOf(error)})`,
    );
  } finally {
    await client.query('reset role').catch(() => undefined);
  }
}
