import pg from 'pg';
import { UserError } from '../errors.js';
import type { ObjectStore } from '../s3/object-store.js';
import { ADVISORY_LOCK } from '../database/advisory-locks.js';
import { AuditFunctions, type AuditTotals, type Checkpoint, type UnjudgedChunks } from './audit-functions.js';
import { copyAuditedDatabase, copyAuditedState } from './copy-tables.js';
import { listDetectionFiles, readDetectionFiles } from './detection-files.js';
import { replay, type ReplayOptions } from './replay.js';
import { withScratchDatabase, type ScratchOptions } from './scratch-database.js';

export interface AuditOptions extends ScratchOptions {
  store: ObjectStore;
  settings: { CHUNKS_PREFIX: string; DETECTIONS_PREFIX: string };
  /** A session in the audited database, for the audit alone. */
  session: pg.Client;
  /** Called after each chunk of the replay. */
  onChunk: ReplayOptions['onChunk'];
}

/** How an audit differs from a verify. */
export interface AuditSteps {
  /** Begins at the first chunk, even if there is a checkpoint. */
  fromStart?: boolean;
  /** Leaves the detection files alone. */
  withoutFiles?: boolean;
  /** Called after the replay, to replace the audited database's state by that of the scratch database. */
  replaceState?: (scratch: pg.Client) => Promise<void>;
  /** Called at the end, while the scratch database holds the state after the last chunk, if there is no difference. */
  whenClean?: (scratch: pg.Client, found: Audit) => Promise<void>;
}

/** The result of an audit. */
export interface Audit {
  /** One line each. They hold names from files unescaped: escape them before printing. */
  differences: string[];
  /** Whether the detection files were compared. */
  hasFiles: boolean;
  totals: AuditTotals;
  /** The chunks whose detections were taken as given, and why. */
  unjudged: UnjudgedChunks[];
  /** The checkpoint at which the replay began; undefined if it began at the first chunk. */
  checkpoint: Checkpoint | undefined;
  /** The last chunk of the replay; later ones could not be replayed. */
  lastChunkNo: number;
}

/** @throws UserError if chunks were pruned, so that a replay cannot begin at the first one. */
export async function assertNothingPruned(session: pg.Client, what: string): Promise<void> {
  const { rows } = await session.query<{ is_pruned: boolean; chunk_no: string }>(
    `select exists (select from bankpulse.pruned_objects) as is_pruned, chunk_no from bankpulse.checkpoint`,
  );
  if (rows[0]?.is_pruned) {
    throw new UserError(
      `${what}: chunks were pruned, and without them the ledger reaches back to the checkpoint of chunk ${rows[0].chunk_no} only`,
    );
  }
}

/** Makes sure that one audit or backtest runs at a time, until the session ends. @throws UserError */
export async function lockAudit(session: pg.Client): Promise<void> {
  const { rows } = await session.query<{ is_ours: boolean }>('select pg_try_advisory_lock($1) as is_ours', [
    ADVISORY_LOCK.audit,
  ]);
  if (!rows[0]?.is_ours) {
    throw new UserError('another verify, rebuild, backtest or prune is at work in this database');
  }
}

/**
 * Replays the ledger from S3 in a scratch database, where pattern_matches alone judges the patterns, and compares the
 * result with the detections, the state and the detection files. It begins at the checkpoint, if there is one.
 * @throws UserError, one line, when that is not possible.
 */
export async function audit(
  options: AuditOptions,
  { fromStart = false, withoutFiles = false, replaceState, whenClean }: AuditSteps = {},
): Promise<Audit> {
  const { store, settings, log, signal, session, onChunk } = options;
  await lockAudit(session);
  if (fromStart) await assertNothingPruned(session, 'cannot begin at the first chunk');

  return withScratchDatabase(options, async (scratch, views) => {
    const functions = new AuditFunctions(scratch);
    await functions.openAudit();
    // listed before the copy, so that the copied outbox has the batch of every listed file
    const listedKeys = withoutFiles ? [] : await listDetectionFiles(store, settings, signal);
    await copyAuditedDatabase(session, scratch, fromStart);
    const checkpoint = await functions.beginAtCheckpoint();

    const { lastChunkNo, faults } = await replay({
      ...{ store, scratch, views, log, signal, onChunk },
      byLedger: true,
      behindChunkNo: checkpoint?.chunk_no ?? 0,
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

    const files = withoutFiles
      ? undefined
      : await readDetectionFiles(store, scratch, views, listedKeys, log, signal);
    log.info('comparing');
    // If a chunk could not be replayed, detections are compared up to the chunk before it, and the state is not.
    const isWhole = faults.length === 0;
    const differences = [
      ...faults,
      ...(await functions.compareLedger()),
      ...(await functions.compareDetections(isWhole ? Number.MAX_SAFE_INTEGER : lastChunkNo)),
      ...(files ? [...files.faults, ...(await functions.compareFiles(files.readBatches, listedKeys))] : []),
      ...(isWhole ? await functions.compareState() : []),
      ...(await new AuditFunctions(session).compareTotals()),
    ];
    const found = {
      ...{ differences, checkpoint, lastChunkNo, hasFiles: !withoutFiles },
      unjudged: await functions.unjudgedChunks(),
      totals: await functions.auditTotals(),
    };
    if (differences.length === 0) await whenClean?.(scratch, found);
    return found;
  });
}
