import type * as kysely from 'kysely';
import type pg from 'pg';
import { openPool } from '../database/connection.js';
import { hasSqlState } from '../errors.js';
import { CompiledQuery, Kysely, PostgresDialect } from '../database/kysely.js';
import type { Logger } from '../log.js';
import type { DashboardViews } from './dashboard-views.js';

/** The server ends a query of a page after this time. */
export const STATEMENT_TIMEOUT_MS = 2000;
/** The reader gives up after this time, if the server hangs. */
const ANSWER_TIMEOUT_MS = 5000;

/**
 * The dashboard's own small pool. Its sessions can only read: their transactions are read only, and they switch to the
 * role bankpulse_reader. If this role does not exist, or is not granted to the login role, they stay with the login role,
 * and the log says so; with Citus they do, too. `destroy()` closes the pool.
 */
export function openReader(config: pg.ClientConfig, log: Logger): kysely.Kysely<DashboardViews> {
  const pool = openPool({
    ...config,
    max: 2,
    application_name: 'bankpulse dashboard',
    connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
  });

  let isRoleMissing = false;
  const dialect = new PostgresDialect({
    pool,
    async onCreateConnection(connection) {
      const run = (statement: string) => connection.executeQuery(CompiledQuery.raw(statement));
      await run('set default_transaction_read_only = on');
      await run(`set statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
      await run('set lock_timeout = 500');
      // the queries read few rows, or use an index: compiling them would cost more than it saves
      await run('set jit = off');
      // the other processors are for the pipeline
      await run('set max_parallel_workers_per_gather = 0');
      if (isRoleMissing) return;
      // Citus logs in to its workers as the role that asks, and this one may not log in
      const { rows } = await connection.executeQuery<{ has_citus: boolean }>(
        CompiledQuery.raw(`select to_regclass('pg_catalog.pg_dist_partition') is not null as has_citus`),
      );
      if (rows[0]?.has_citus) return;
      await run('set role bankpulse_reader').catch((error: unknown) => {
        // the role does not exist, or is not granted to the login role
        if (!hasSqlState(error, 'invalidParameterValue', 'insufficientPrivilege')) throw error;
        isRoleMissing = true;
        log.debug('the dashboard reads without the role bankpulse_reader, in read-only transactions');
      });
    },
  });
  return new Kysely<DashboardViews>({ dialect }).withSchema('bankpulse');
}
