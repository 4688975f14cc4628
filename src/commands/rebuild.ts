import type pg from 'pg';
import { lockAudit } from '../audit/audit.js';
import { copyReplayedPairs } from '../audit/copy-tables.js';
import { SqlFunctions } from '../database/functions.js';
import { UserError, hasSqlState } from '../errors.js';
import { assertMayDelete, printAudit, withAuditedPipeline } from './with-audited-pipeline.js';

/** `npm run rebuild`: replaces the running state by the replayed one. @returns the exit code. */
export function runRebuild({ fromStart }: { fromStart: boolean }): Promise<number> {
  return withAuditedPipeline(async (options) => {
    const { log, session } = options;
    // before the replay, which may take a while
    await assertMayDelete(session, 'bankpulse.customer_merchant_stats', 'empty the state');
    // before the lease: a session that holds both is known as a rebuild, see sql/09_views/leading_run.sql
    await lockAudit(session);
    const runId = await takeLease(session);
    return printAudit(options, {
      fromStart,
      replaceState: async (scratch) => {
        await replaceState(scratch, session, runId, fromStart);
        log.info('state rebuilt');
        await new SqlFunctions(session).refreshViews();
        await new SqlFunctions(session).endRun(runId);
        process.stdout.write('The state is rebuilt from the ledger.\n');
      },
    });
  });
}

/** Takes the lease, as a Y does: only its holder may change the state. The session's lock keeps every Y standing by. */
async function takeLease(session: pg.Client): Promise<number> {
  const functions = new SqlFunctions(session);
  await session.query('begin');
  const runId = await functions.registerRun();
  const isElected = await functions.tryTakeOver(runId);
  await session.query(isElected ? 'commit' : 'rollback');
  if (!isElected) {
    throw new UserError('mechanism Y is at work, or another rebuild: stop it first, then run this again');
  }
  return runId;
}

/** Replaces the running state by the replayed one, in one transaction; without a checkpoint if it was replayed from the start. */
async function replaceState(
  scratch: pg.Client,
  session: pg.Client,
  runId: number,
  fromStart: boolean,
): Promise<void> {
  const functions = new SqlFunctions(session);
  await session.query('begin isolation level read committed');
  try {
    await functions.emptyState(runId);
    await copyReplayedPairs(scratch, session, 'copy bankpulse.customer_merchant_stats from stdin');
    await functions.completeState(runId);
    // it may hold the damage that this rebuild mends
    if (fromStart) await session.query('select bankpulse.drop_checkpoint()');
    await session.query('commit');
  } catch (error) {
    await session.query('rollback').catch(() => undefined);
    if (!hasSqlState(error, 'leaseLost')) throw error;
    throw new UserError('a mechanism Y has taken over meanwhile; the state is left as it was');
  }
}
