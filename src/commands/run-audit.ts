import { audit, type AuditOptions } from '../audit/audit.js';
import { describeAudit } from '../audit/report.js';
import { databaseSettings, loadSettings, objectStoreSettings } from '../config.js';
import { connectOrExplain } from '../database/connection.js';
import { explainDenial, pendingChanges } from '../database/schema.js';
import { UserError } from '../errors.js';
import { createLog } from '../log.js';
import { interruptSignal } from '../async/signals.js';
import { openServices } from './services.js';

/** Runs an audit of the configured database and bucket and prints what it finds. @returns the exit code. */
export async function runAudit(
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
