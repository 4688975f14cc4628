import type pg from 'pg';
import { ADVISORY_LOCK, lockElection } from './advisory-locks.js';

/**
 * How many sessions can stage at once on a distributed database. A mechanism Y has two, and a third if it has loaded weights.
 * Those of one that is stopped in the middle of a chunk are free after a second, when the server ends them; open_staging ends
 * the others when it finds no lane free.
 */
export const LANES = 8;

/** Files of sql/ that make lanes. */
const MAKERS = ['02_staging/create_staging_tables.sql', '13_distribution/make_lanes.sql'];

/** Whether one of these files of sql/ decides what a lane is. */
export const changeLanes = (fileNames: readonly string[]): boolean =>
  fileNames.some((name) => MAKERS.includes(name));

/**
 * Drops all lanes, so that a migration can change what they depend on; their tables hold nothing between two chunks. Forgets that
 * the files that make them were applied: so whoever migrates next makes them again, even if this process is killed
 * meanwhile. Keeps every mechanism Y standing by until `work` is done.
 * @throws UserError if a mechanism Y works.
 */
export async function withoutLanes<Result>(client: pg.Client, work: () => Promise<Result>): Promise<Result> {
  const lanes = await client.query(`select from pg_namespace where nspname ~ '^bankpulse_lane_\\d+$'`);
  if (!lanes.rowCount) return work();
  await lockElection(client);
  try {
    await client.query('begin');
    await client.query(
      `do $$
      declare
        v_lane text;
      begin
        -- Citus drops several tables in one transaction by one connection to each worker
        perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
        for v_lane in select nspname from pg_namespace where nspname ~ '^bankpulse_lane_\\d+$' loop
          execute format('drop schema %I cascade', v_lane);
        end loop;
      end;
      $$`,
    );
    await client.query('delete from bankpulse.applied_sql_files where file_name = any ($1)', [MAKERS]);
    await client.query('commit');
    return await work();
  } catch (error) {
    await client.query('rollback').catch(() => undefined); // the session may be lost; the first error says why
    throw error;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK.election]).catch(() => undefined);
  }
}
