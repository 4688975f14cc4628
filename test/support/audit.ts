import type { AuditOptions } from '../../src/audit/audit.js';
import { connect } from '../../src/database/connection.js';
import { createLog } from '../../src/log.js';
import type { useDetector } from './detector.js';
import { sharedDatabase } from './servers.js';

/**
 * Runs an audit or a backtest of the test's database and prefix, on a session of its own. Its scratch database is cloned
 * from one with the schema; that of the commands is migrated, which costs as much as the audit.
 */
export async function withAudit<Result>(
  { database, s3, prefix }: ReturnType<typeof useDetector>,
  work: (options: AuditOptions) => Promise<Result>,
): Promise<Result> {
  const { templates } = await sharedDatabase.address();
  const session = await connect(database.config);
  try {
    return await work({
      config: database.config,
      template: templates.empty,
      store: s3.store,
      settings: { CHUNKS_PREFIX: `${prefix}chunks/`, DETECTIONS_PREFIX: `${prefix}detections/` },
      log: createLog('silent'),
      signal: new AbortController().signal,
      session,
      onChunk: () => undefined,
    });
  } finally {
    await session.end();
  }
}
