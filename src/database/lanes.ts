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

/** Not those of a worker, where a session is known to the coordinator only by its locks there. */
const LANE_HOLDERS = `
  select pid, max(application_name) as name
  from pg_locks
  inner join pg_stat_activity using (pid)
  inner join pg_class on pg_class.oid = relation
  inner join pg_namespace on pg_namespace.oid = relnamespace
  where datname = current_database() and nspname ~ '^bankpulse_lane_\\d+$' and granted
  group by pid
  order by pid`;

/**
 * Drops all lanes, and deletes the record that the files that make them were applied: so the next migration makes the lanes
 * again, even if this process is killed before it does. @throws UserError if another session has locked one of them.
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
    const { rows } = await client.query<{ pid: number; name: string }>(LANE_HOLDERS);
    const holders = rows.map(({ pid, name }) => `process ${pid} "${name}"`).join(', ') || 'on a worker';
    throw new UserError(
      `staging tables are locked (${holders}), as by a mechanism Y that hangs, or by a dump: end that session, or wait for it, then run this again`,
    );
  }
}

/**
 * Lets a migration change what the lanes depend on: drops them before, since no chunk needs what their tables hold. Keeps
 * every mechanism Y standing by until `work` is done.
 * @throws UserError if a mechanism Y works, or if a session has locked a lane: a Y that hangs, or a dump.
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
