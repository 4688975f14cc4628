import pg from 'pg';
import { UserError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../s3/object-store.js';
import { ADVISORY_LOCK } from '../database/schema.js';
import { AuditFunctions, type AuditTotals, type UnjudgedChunks } from './audit-functions.js';
import { copyAuditedDatabase, copyAuditedState } from './copy-tables.js';
import { listDetectionFiles, readDetectionFiles } from './detection-files.js';
import { replay, type ReplayOptions } from './replay.js';
import { withScratchDatabase } from './scratch-database.js';

export interface AuditOptions {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: { CHUNKS_PREFIX: string; DETECTIONS_PREFIX: string };
  log: Logger;
  signal: AbortSignal;
  /** A session in the audited database, for the audit alone. */
  session: pg.Client;
  /** Called after each chunk of the replay. */
  onChunk: ReplayOptions['onChunk'];
}

/** The result of an audit. */
export interface Audit {
  /** One line each. They hold names from files unescaped: escape them before printing. */
  differences: string[];
  totals: AuditTotals;
  /** The chunks whose detections were taken as given, and why. */
  unjudged: UnjudgedChunks[];
  /** The last chunk that was replayed; later ones could not be. */
  lastChunkNo: number;
}

/** Makes sure that one audit or backtest runs at a time, until the session ends. @throws UserError */
export async function lockAudit(session: pg.Client): Promise<void> {
  const { rows } = await session.query<{ is_ours: boolean }>('select pg_try_advisory_lock($1) as is_ours', [
    ADVISORY_LOCK.audit,
  ]);
  if (!rows[0]?.is_ours) {
    throw new UserError('another verify, rebuild or backtest is at work in this database');
  }
}

/**
 * Replays the ledger from S3 in a scratch database, where pattern_matches alone judges the patterns, and compares the
 * result with the detections, the state and the detection files.
 * @param replaceState called after the replay, to replace the audited database's state by that of the scratch database.
 * @throws UserError, one line, when that is not possible.
 */
export async function audit(
  options: AuditOptions,
  replaceState?: (scratch: pg.Client) => Promise<void>,
): Promise<Audit> {
  const { config, store, settings, log, signal, session, onChunk } = options;
  await lockAudit(session);

  return withScratchDatabase(config, log, signal, async (scratch, views) => {
    const functions = new AuditFunctions(scratch);
    await functions.openAudit();
    // listed before the copy, so that the copied outbox has the batch of every listed file
    const listedKeys = await listDetectionFiles(store, settings, signal);
    await copyAuditedDatabase(session, scratch);

    const { lastChunkNo, faults } = await replay({
      ...{ store, scratch, views, log, signal, onChunk },
      byLedger: true,
    });
    if (replaceState) {
      if (faults[0] !== undefined) {
        throw new UserError(
          `cannot be rebuilt, the state is left as it was; objects gone or changed: ${faults.length}, the first: ${faults[0]}`,
        );
      }
      signal.throwIfAborted();
      await replaceState(scratch);
      await copyAuditedState(session, scratch);
    }

    const files = await readDetectionFiles(store, scratch, views, listedKeys, log, signal);
    log.info('comparing');
    // If a chunk could not be replayed, detections are compared up to the chunk before it, and the state is not.
    const isWhole = faults.length === 0;
    const differences = [
      ...faults,
      ...(await functions.compareLedger()),
      ...(await functions.compareDetections(isWhole ? Number.MAX_SAFE_INTEGER : lastChunkNo)),
      ...files.faults,
      ...(await functions.compareFiles(files.readBatches, listedKeys)),
      ...(isWhole ? await functions.compareState() : []),
      ...(await new AuditFunctions(session).compareTotals()),
    ];
    const unjudged = await functions.unjudgedChunks();
    return { differences, totals: await functions.auditTotals(), unjudged, lastChunkNo };
  });
}
