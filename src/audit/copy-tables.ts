import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';

/** A table of the audited database, and its place in the scratch database, where it has the same columns. */
type Copy = readonly [from: string, to: string];

/** The ledger and all that belongs to it; `runs` comes before the tables that refer to it. */
const LEDGER: readonly Copy[] = [
  ['copy bankpulse.runs to stdout', 'copy bankpulse.runs from stdin'],
  ['copy bankpulse.patterns to stdout', 'copy bankpulse.patterns from stdin'],
  ['copy bankpulse.importance_file to stdout', 'copy bankpulse.importance_file from stdin'],
  ['copy bankpulse.customer_weights to stdout', 'copy bankpulse.customer_weights from stdin'],
  ['copy bankpulse.chunks to stdout', 'copy bankpulse.chunks from stdin'],
  ['copy bankpulse.detections to stdout', 'copy bankpulse.detections from stdin'],
  ['copy bankpulse.detection_batches to stdout', 'copy bankpulse.detection_batches from stdin'],
];

/** The state that the hot path keeps. The replay fills customer_merchant_stats itself and leaves the other tables alone. */
const STATE: readonly Copy[] = [
  ['copy bankpulse.customer_merchant_stats to stdout', 'copy pg_temp.audited_pairs from stdin'],
  ['copy bankpulse.merchant_stats to stdout', 'copy bankpulse.merchant_stats from stdin'],
  ['copy bankpulse.merchant_count_histogram to stdout', 'copy bankpulse.merchant_count_histogram from stdin'],
  ['copy bankpulse.upgrade_candidates to stdout', 'copy bankpulse.upgrade_candidates from stdin'],
  ['copy bankpulse.merchant_top_counts to stdout', 'copy bankpulse.merchant_top_counts from stdin'],
];

async function copyTables(source: pg.Client, target: pg.Client, copies: readonly Copy[]): Promise<void> {
  for (const [from, to] of copies) {
    const writing = target.query(copyFrom(to));
    writing.on('error', () => undefined); // as in loader/stage.ts
    await pipeline(source.query(copyTo(from)), writing);
  }
}

/** Copies everything that an audit compares, as of one moment: mechanism Y may go on meanwhile. */
export async function copyAuditedDatabase(source: pg.Client, scratch: pg.Client): Promise<void> {
  await source.query('begin isolation level repeatable read read only');
  await copyTables(source, scratch, [...LEDGER, ...STATE]);
  await source.query('commit');
}

/** Copies the state once more, after a rebuild. */
export async function copyAuditedState(source: pg.Client, scratch: pg.Client): Promise<void> {
  await scratch.query(
    'truncate pg_temp.audited_pairs, bankpulse.merchant_stats, bankpulse.merchant_count_histogram, ' +
      'bankpulse.upgrade_candidates, bankpulse.merchant_top_counts',
  );
  await source.query('begin isolation level repeatable read read only');
  await copyTables(source, scratch, STATE);
  await source.query('commit');
}

/** Copies the replay's pairs into the audited database, within the caller's transaction. */
export async function copyReplayedPairs(scratch: pg.Client, target: pg.Client): Promise<void> {
  await copyTables(scratch, target, [
    ['copy bankpulse.customer_merchant_stats to stdout', 'copy bankpulse.customer_merchant_stats from stdin'],
  ]);
}
