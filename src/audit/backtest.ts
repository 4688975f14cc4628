import { UserError } from '../errors.js';
import { assertNothingPruned, lockAudit, type AuditOptions } from './audit.js';
import { AuditFunctions, type BacktestChunk, type BacktestDetection } from './audit-functions.js';
import { copyAuditedLedger } from './copy-tables.js';
import { replay } from './replay.js';
import { withScratchDatabase } from './scratch-database.js';

/** The result of a backtest. */
export interface Backtest {
  pattern: string;
  /** All thresholds that were tried. */
  thresholds: Record<string, number>;
  /** The chunks with detections, now or by these thresholds. */
  chunks: BacktestChunk[];
  detections: BacktestDetection[];
}

/**
 * Replays the ledger from S3 in a scratch database, where one pattern is judged by other thresholds and today's weights,
 * and compares what it would have detected with what it has. Nothing changes in the real database.
 * @param thresholds those that change, by name; the database refuses unknown ones and values that are no numbers.
 * @throws UserError if a chunk cannot be replayed; SQLSTATE BP007 if there is no such pattern or threshold.
 */
export async function backtest(
  options: AuditOptions,
  pattern: string,
  thresholds: Record<string, unknown>,
): Promise<Backtest> {
  const { store, log, signal, session, onChunk } = options;
  await lockAudit(session);
  await assertNothingPruned(session, 'cannot be backtested, which needs all chunks from the first');

  return withScratchDatabase(options, async (scratch, views) => {
    const functions = new AuditFunctions(scratch);
    await functions.openAudit();
    await copyAuditedLedger(session, scratch);
    const tried = await functions.openBacktest(pattern, thresholds);
    const { faults } = await replay({
      ...{ store, scratch, views, log, signal, onChunk },
      byLedger: false,
      behindChunkNo: 0,
    });
    if (faults[0] !== undefined) {
      throw new UserError(
        `cannot be backtested; objects gone or changed: ${faults.length}, the first: ${faults[0]}`,
      );
    }
    return {
      pattern,
      thresholds: tried,
      chunks: await functions.backtestChunks(pattern),
      detections: await functions.backtestDetections(pattern),
    };
  });
}
