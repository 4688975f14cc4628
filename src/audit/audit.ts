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
  /** A session in the audited database that has nothing else to do. */
  session: pg.Client;
  /** Called after the replay, with the scratch database, to put its state in the place of the audited one's. */
  replaceState?: ((scratch: pg.Client) => Promise<void>) | undefined;
}

/** What an audit found. */
export interface Audit {
  /** One a line, as they are; empty if all is well. They hold names from files: escape them before printing. */
  differences: string[];
  totals: AuditTotals;
  span: AuditedSpan | undefined;
  /** The last chunk that was replayed; those behind it could not be. */
  lastChunkNo: number;
  /** Why detections were not judged again; only after a rebuild, otherwise it is refused. */
  notJudged: string | undefined;
}

/** Why the rules do not allow to judge again; undefined if they do. */
function unjudgeable(span: AuditedSpan): string | undefined {
  if (span.is_current) return undefined;
  return (
    `${span.has_newer_weights ? 'the importance file was loaded anew' : 'table patterns was changed'} after chunk ` +
    `${span.last_chunk_no}, and no chunk was judged since: its rules are not known any more`
  );
}

/**
 * Replays the ledger from S3 in a scratch database, judged by pattern_matches alone, and compares what comes out with
 * detections, state and detection files.
 * @throws UserError in one line when it cannot be done.
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
    // before the copy: whatever file is there by now has its batch there
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
    // after a chunk that cannot be replayed, nothing is known of detections; of the state, nothing at all
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
