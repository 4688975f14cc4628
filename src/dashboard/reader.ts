import type * as kysely from 'kysely';
import type pg from 'pg';
import { openPool } from '../database/connection.js';
import { hasSqlState } from '../errors.js';
import { CompiledQuery, Kysely, PostgresDialect } from '../database/kysely.js';
import type { Logger } from '../log.js';
import type { DashboardViews } from './dashboard-views.js';

/** Nothing a page asks for may hold the database up for longer, in milliseconds. */
export const STATEMENT_TIMEOUT_MS = 2000;
/** A server that does not even answer, in milliseconds. */
const ANSWER_TIMEOUT_MS = 5000;

/**
 * The dashboard's own small pool. Its sessions can only read: their transactions are read only, and where the login
 * role may, they take on the role bankpulse_reader. Where that is not there, or not granted, this is noted and the
 * sessions stay what they are. Ends with `destroy()`.
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
      // what is looked at is small, or told by index: compiling would cost more than it saves
      await run('set jit = off');
      // and a second processor is the pipeline's
      await run('set max_parallel_workers_per_gather = 0');
      if (isRoleMissing) return;
      await run('set role bankpulse_reader').catch((error: unknown) => {
        // there is no such role, or it is not granted to the login role
        if (!hasSqlState(error, 'invalidParameterValue', 'insufficientPrivilege')) throw error;
        isRoleMissing = true;
        log.debug('the dashboard reads without the role bankpulse_reader, in read-only transactions');
      });
    },
  });
  return new Kysely<DashboardViews>({ dialect }).withSchema('bankpulse');
}
