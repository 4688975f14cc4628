import { lockAudit, type Audit } from '../audit/audit.js';
import { bringCheckpointUpTo, checkpointedChunk } from '../audit/checkpoint.js';
import { planPrune, prune, type PrunePlan, type Pruned } from '../audit/prune.js';
import { describeAudit } from '../audit/report.js';
import { UsageError } from '../errors.js';
import { counted } from '../text/numbers.js';
import { assertMayDelete, withAuditedPipeline } from './with-audited-pipeline.js';

/** PostgreSQL's oldest time is nearer. */
const MOST_DAYS = 1_000_000;

export interface PruneFlags {
  olderThan: string;
  dryRun: boolean;
  unverified: boolean;
  fromStart: boolean;
}

/**
 * `npm run prune -- --older-than DAYS`: stores a checkpoint, then removes what is older and nothing needs any more.
 * @returns the exit code: 1 if the state differs from a replay; then nothing is removed. @throws UsageError
 */
export function runPrune({ olderThan, dryRun, unverified, fromStart }: PruneFlags): Promise<number> {
  const days = /^(\d+\.?\d*|\.\d+)$/.test(olderThan) ? Number(olderThan) : NaN;
  if (!(days <= MOST_DAYS)) {
    throw new UsageError([
      `--older-than must be a number of days from 0 to ${MOST_DAYS}, not "${olderThan}"`,
    ]);
  }
  if (unverified && fromStart) {
    throw new UsageError(['--unverified replays nothing, and --from-start all: give one of them']);
  }
  return withAuditedPipeline(async (options) => {
    const { session, log, signal } = options;
    const plan = await planPrune(session, days);
    if (plan.newest_chunk_no === 0) {
      print('No chunk is applied yet: there is nothing to prune.');
      return 0;
    }
    if (dryRun) {
      print(...describePlan(plan, await checkpointedChunk(session)));
      return 0;
    }
    await assertMayDelete(session, 'bankpulse.chunks', 'prune the ledger');
    await lockAudit(session);
    const found = await bringCheckpointUpTo(options, plan.newest_chunk_no, { unverified, fromStart });
    if (found) {
      print(describeAudit(found), `Nothing is pruned${whyNot(found)}.`);
      return 1;
    }
    const checkpointNo = await checkpointedChunk(session);
    log.info({ checkpoint: checkpointNo, upTo: plan.last_chunk_no }, 'pruning');
    const pruned: Pruned = { chunks: 0, rejectedRows: 0, runs: 0 };
    try {
      await prune(session, plan, signal, pruned);
    } finally {
      log.info({ ...pruned }, 'pruned');
    }
    print(...describePruned(plan, pruned, checkpointNo));
    return 0;
  });
}

function whyNot({ lastChunkNo, totals }: Audit): string {
  return lastChunkNo < totals.last_chunk_no
    ? ': make these objects readable again, or run it with --unverified, which takes the state as it is'
    : ', because the checkpoint would keep these differences';
}

function print(...lines: string[]): void {
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

const removable = (chunks: number, rejectedRows: number, runs: number) =>
  `${counted(chunks, 'chunk')} of the ledger, ${counted(rejectedRows, 'rejected row')}, ${counted(runs, 'run')}`;

const kept = ({ detecting_count, quarantined_count }: PrunePlan) =>
  `the newest chunk, the greatest number, ${counted(detecting_count, 'older chunk')} with detections, ` +
  `${counted(quarantined_count, 'quarantined object')}; all detections, files and rules`;

const oldBefore = ({ old_before, last_chunk_no }: PrunePlan) =>
  last_chunk_no === 0
    ? `no chunk is older than ${old_before}`
    : `up to chunk ${last_chunk_no}, from before ${old_before}`;

function describePlan(plan: PrunePlan, checkpointNo: number): string[] {
  return [
    `checkpoint    ${
      checkpointNo === plan.newest_chunk_no
        ? `chunk ${checkpointNo}, as it is`
        : `chunk ${plan.newest_chunk_no} or later would be stored first`
    }`,
    `would remove  ${removable(plan.chunk_count, plan.rejected_count, plan.run_count)} (${oldBefore(plan)})`,
    `would keep    ${kept(plan)}`,
    'Nothing is changed.',
  ];
}

function describePruned(plan: PrunePlan, pruned: Pruned, checkpointNo: number): string[] {
  return [
    `checkpoint  chunk ${checkpointNo}: verify and rebuild begin there`,
    `removed     ${removable(pruned.chunks, pruned.rejectedRows, pruned.runs)} (${oldBefore(plan)})`,
    `kept        ${kept(plan)}`,
    'Mechanism Y never applies a removed chunk again. Without the removed rows there is no backtest, and no verify from',
    'the first chunk; a removed object that is replaced in the bucket is not reported. Neither verify nor rebuild needs the',
    `objects of chunks up to ${checkpointNo} any more; a restore of an older backup does.`,
  ];
}
