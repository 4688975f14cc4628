import pg from 'pg';
import { UserError } from '../errors.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../s3/object-store.js';
import { ADVISORY_LOCK } from '../database/schema.js';
import { AuditFunctions, type AuditTotals, type AuditedSpan } from './audit-functions.js';
import { copyAuditedDatabase, copyAuditedState } from './copy-tables.js';
import { listDetectionFiles, readDetectionFiles } from './detection-files.js';
import { replay } from './replay.js';
import { withScratchDatabase } from './scratch-database.js';

export interface AuditOptions {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: { CHUNKS_PREFIX: string; DETECTIONS_PREFIX: string };
  log: Logger;
  signal: AbortSignal;
  /** A session in the audited database, for the audit alone. */
  session: pg.Client;
  /** Called after the replay, to replace the audited database's state by that of the scratch database. */
  replaceState?: ((scratch: pg.Client) => Promise<void>) | undefined;
}

/** The result of an audit. */
export interface Audit {
  /** One line each. They hold names from files unescaped: escape them before printing. */
  differences: string[];
  totals: AuditTotals;
  span: AuditedSpan | undefined;
  /** The last chunk that was replayed; later ones could not be. */
  lastChunkNo: number;
  /** Why detections were not judged again. Only a rebuild goes on then; verify is refused. */
  notJudged: string | undefined;
}

/** Why the patterns cannot be judged again; undefined if they can. */
function unjudgeable(span: AuditedSpan): string | undefined {
  if (span.is_current) return undefined;
  return (
    `${span.has_newer_weights ? 'the importance file was loaded anew' : 'table patterns was changed'} after chunk ` +
    `${span.last_chunk_no}, and no chunk was judged since: its rules are not known any more`
  );
}

/**
 * Replays the ledger from S3 in a scratch database, where pattern_matches alone judges the patterns, and compares the
 * result with the detections, the state and the detection files.
 * @throws UserError, one line, when that is not possible.
 */
export async function audit(options: AuditOptions): Promise<Audit> {
  const { config, store, settings, log, signal, session, replaceState } = options;
  const { rows } = await session.query<{ is_ours: boolean }>('select pg_try_advisory_lock($1) as is_ours', [
    ADVISORY_LOCK.audit,
  ]);
  if (!rows[0]?.is_ours) throw new UserError('another verify or rebuild is at work in this database');

  return withScratchDatabase(config, log, signal, async (scratch, views) => {
    const functions = new AuditFunctions(scratch);
    await functions.openAudit();
    // listed before the copy, so that the copied outbox has the batch of every listed file
    const listedKeys = await listDetectionFiles(store, settings, signal);
    await copyAuditedDatabase(session, scratch);

    const span = await functions.auditedSpan();
    const notJudged = span && unjudgeable(span);
    if (notJudged !== undefined && !replaceState) throw new UserError(`cannot be verified: ${notJudged}`);
    const firstJudgedNo = notJudged === undefined ? (span?.first_chunk_no ?? 1) : Number.MAX_SAFE_INTEGER;
    await functions.takeDetectionsAsGiven(firstJudgedNo);
    const { lastChunkNo, faults } = await replay({ store, scratch, views, log, signal, firstJudgedNo });
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
    const lastJudgedNo = faults.length > 0 ? lastChunkNo : Number.MAX_SAFE_INTEGER;
    const differences = [
      ...faults,
      ...(await functions.compareLedger(firstJudgedNo)),
      ...(await functions.compareDetections(firstJudgedNo, lastJudgedNo)),
      ...files.faults,
      ...(await functions.compareFiles(files.readBatches, listedKeys)),
      ...(faults.length > 0 ? [] : await functions.compareState()),
    ];
    const totals = await functions.auditTotals(firstJudgedNo, lastJudgedNo);
    return { differences, totals, span, lastChunkNo, notJudged };
  });
}
