import type pg from 'pg';
import { audit, type AuditOptions } from '../audit/audit.js';
import { describeAudit } from '../audit/report.js';
import { databaseSettings, environmentWarnings, loadSettings, objectStoreSettings } from '../config.js';
import { WRITES_IN_SESSIONS, connectOrExplain } from '../database/server-check.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { pendingChanges } from '../database/schema.js';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { PatientStore } from '../s3/patient-store.js';
import { checkPlace } from '../detector/file-owner.js';
import { createLog } from '../log.js';
import { interruptSignal } from '../async/signals.js';
import { ReplayProgress } from '../terminal/replay-progress.js';
import { openServices } from './services.js';

/** Runs `work` with the configured database, whose schema is up to date, and bucket. @returns what `work` returns. */
export async function withAuditedPipeline<Result>(
  work: (options: AuditOptions) => Promise<Result>,
): Promise<Result> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    'CHUNKS_PREFIX',
    'DETECTIONS_PREFIX',
    'LOG_LEVEL',
  ]);
  const log = createLog(settings.LOG_LEVEL);
  for (const warning of environmentWarnings()) log.warn(warning);
  const signal = interruptSignal();
  const services = await openServices(settings, log);
  const { config, store } = services;
  const progress = new ReplayProgress(log);
  try {
    await store.checkAccess(settings.CHUNKS_PREFIX, signal);
    const session = await connectOrExplain(config, WRITES_IN_SESSIONS);
    try {
      return await explainRefusal(config, async () => {
        const { migrations, sqlFiles } = await pendingChanges(session);
        if (migrations.length + sqlFiles.length > 0) {
          throw new UserError('the schema is not up to date: run "npm run migrate" first');
        }
        await checkPlace({ client: session, config, settings, store: new PatientStore(store, log, signal) });
        return await work({ config, store, settings, log, signal, session, onChunk: progress.show });
      });
    } finally {
      await session.end();
    }
  } catch (error) {
    if (hasSqlState(error, 'patternFailed')) {
      throw new UserError(`a pattern cannot be judged: ${messageOf(error)}; correct its function`);
    }
    throw store.explain(error);
  } finally {
    progress.close();
    await services.close();
  }
}

/** Runs an audit and prints what it finds. @returns the exit code. */
export async function printAudit(...options: Parameters<typeof audit>): Promise<number> {
  const found = await audit(...options);
  process.stdout.write(`${describeAudit(found)}\n`);
  return found.differences.length === 0 ? 0 : 1;
}

/** Checks a right that only the owner of the tables has. @throws UserError that says which work it is for, and who may. */
export async function assertMayDelete(session: pg.Client, table: string, work: string): Promise<void> {
  const { rows } = await session.query<{ may_delete: boolean; role: string; owner: string }>(
    `select
       has_table_privilege(oid, 'delete') as may_delete,
       quote_ident(current_user) as role,
       quote_ident(pg_get_userbyid(relowner)) as owner
     from pg_class
     where oid = $1::regclass`,
    [table],
  );
  const { may_delete, role, owner } = rows[0]!;
  if (!may_delete)
    throw new UserError(`${role} may not ${work}: run this as the owner of the tables, ${owner}`);
}
