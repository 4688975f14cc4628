import type pg from 'pg';
import { UserError, codeOf } from '../errors.js';
import { ADVISORY_LOCK, lockElection } from './advisory-locks.js';

/**
 * How many sessions can stage at once on a distributed database. A mechanism Y has two, and a third if it has loaded weights.
 * Of one that hangs, the server ends the session that applies a chunk after a second; open_staging ends the others when it
 * finds no lane free.
 */
export const LANES = 8;

/** Files of sql/ that make lanes. */
const MAKERS = ['02_staging/create_staging_tables.sql', '13_distribution/make_lanes.sql'];

/** Whether one of these files of sql/ decides what a lane is. */
export const decideLanes = (fileNames: readonly string[]): boolean =>
  fileNames.some((name) => MAKERS.includes(name));

/** In a block of its own and not in a function of sql/: the schema may be of an older version, which has none. */
const DROP_LANES = `
  do $$
  declare
    v_lane text;
  begin
    -- Citus drops several tables in one transaction by one connection to each worker
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
    perform set_config('lock_timeout', '10s', true);
    for v_lane in select nspname from pg_namespace where nspname ~ '^bankpulse_lane_\\d+$' loop
      execute format('drop schema %I cascade', v_lane);
    end loop;
  end;
  $$`;

/**
 * Drops all lanes, and deletes the record that the files that make them were applied: so the next migration makes the lanes
 * again, even if this process is killed before it does. @throws UserError if a session keeps a chunk staged in one of them.
 */
async function dropLanes(client: pg.Client): Promise<void> {
  await client.query('begin');
  try {
    await client.query(DROP_LANES);
    await client.query('delete from bankpulse.applied_sql_files where file_name = any ($1)', [MAKERS]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined); // the session may be lost; the first error says why
    if (codeOf(error) !== '55P03') throw error;
    throw new UserError(
      'a mechanism Y that hangs holds a staging table: end its process, or its sessions by pg_terminate_backend, then run this again',
    );
  }
}

/**
 * Lets a migration change what the lanes depend on: drops them before, since no chunk needs what their tables hold. Keeps
 * every mechanism Y standing by until `work` is done.
 * @throws UserError if a mechanism Y works, or hangs with a staged chunk.
 */
export async function withoutLanes<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  const lanes = await client.query(`select from pg_namespace where nspname ~ '^bankpulse_lane_\\d+$'`);
  if (!lanes.rowCount) return work();
  await lockElection(client);
  try {
    await dropLanes(client);
    return await work();
  } finally {
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK.election]).catch(() => undefined);
  }
}
