import type pg from 'pg';
import { audit, type AuditOptions } from '../audit/audit.js';
import { copyReplayedPairs } from '../audit/copy-tables.js';
import { describeAudit } from '../audit/report.js';
import { databaseSettings, loadSettings, objectStoreSettings } from '../config.js';
import { connectOrExplain } from '../database/connection.js';
import { UserError, hasSqlState } from '../errors.js';
import { createLog } from '../log.js';
import { explainDenial, pendingChanges } from '../database/schema.js';
import { openServices } from './services.js';
import { interruptSignal } from '../async/signals.js';
import { SqlFunctions } from '../database/functions.js';

/** Runs an audit of the configured database and bucket and prints what it finds. @returns the exit code. */
async function runAudit(
  prepare: (options: AuditOptions) => Promise<AuditOptions['replaceState']>,
): Promise<number> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    'CHUNKS_PREFIX',
    'DETECTIONS_PREFIX',
    'LOG_LEVEL',
  ]);
  const log = createLog(settings.LOG_LEVEL);
  const signal = interruptSignal();
  const services = await openServices(settings, log);
  const { config, store } = services;
  try {
    await store.checkAccess(settings.CHUNKS_PREFIX, signal);
    const session = await connectOrExplain(config);
    try {
      return await explainDenial(config, async () => {
        const { migrations, sqlFiles } = await pendingChanges(session);
        if (migrations.length + sqlFiles.length > 0) {
          throw new UserError('the schema is not up to date: run "npm run migrate" first');
        }
        const options = { config, store, settings, log, signal, session };
        const found = await audit({ ...options, replaceState: await prepare(options) });
        process.stdout.write(`${describeAudit(found)}\n`);
        return found.differences.length === 0 && found.notJudged === undefined ? 0 : 1;
      });
    } finally {
      await session.end();
    }
  } catch (error) {
    throw store.explain(error);
  } finally {
    await services.close();
  }
}

/** `npm run verify` @returns the exit code. */
export function runVerify(): Promise<number> {
  return runAudit(() => Promise.resolve(undefined));
}

/** `npm run rebuild` @returns the exit code. */
export function runRebuild(): Promise<number> {
  return runAudit(async ({ log, session }) => {
    await mayEmptyState(session);
    const runId = await takeLease(session);
    return async (scratch) => {
      await replaceState(scratch, session, runId);
      log.info('state rebuilt');
      await new SqlFunctions(session).refreshViews();
      await new SqlFunctions(session).endRun(runId);
      process.stdout.write('The state is rebuilt from the ledger.\n');
    };
  });
}

/** @throws UserError before anything is read, since the replay may take a while. */
async function mayEmptyState(session: pg.Client): Promise<void> {
  const { rows } = await session.query<{ may_empty: boolean }>(
    "select has_table_privilege('bankpulse.customer_merchant_stats', 'delete') as may_empty",
  );
  if (!rows[0]?.may_empty) {
    throw new UserError(
      "this role may not empty the state: run this as the tables' owner, who also migrates",
    );
  }
}

/** Becomes the one who may change the state, as a Y does; the session's lock keeps every Y standing by. */
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

/** Puts the replayed state in the place of the present one: all of it or nothing. */
async function replaceState(scratch: pg.Client, session: pg.Client, runId: number): Promise<void> {
  const functions = new SqlFunctions(session);
  await session.query('begin isolation level read committed');
  try {
    await functions.emptyState(runId);
    await copyReplayedPairs(scratch, session);
    await functions.completeState(runId);
    await session.query('commit');
  } catch (error) {
    await session.query('rollback').catch(() => undefined);
    if (!hasSqlState(error, 'leaseLost')) throw error;
    throw new UserError('a mechanism Y has taken over meanwhile; the state is left as it was');
  }
}
