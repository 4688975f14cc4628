import type pg from 'pg';
import { UserError } from '../errors.js';

/** Rows of the ledger in one transaction. */
const CHUNKS_AT_ONCE = 1000;
/** Rejected rows in one transaction. */
const REJECTED_ROWS_AT_ONCE = 10_000;
/** Runs in one transaction. */
const RUNS_AT_ONCE = 1000;

/** The row of plan_prune. */
export interface PrunePlan {
  /** A time as PostgreSQL writes it in JSON. */
  old_before: string;
  last_chunk_no: number;
  newest_chunk_no: number;
  chunk_count: number;
  detecting_count: number;
  quarantined_count: number;
  rejected_count: number;
  run_count: number;
}

/** How much was removed. */
export interface Pruned {
  chunks: number;
  rejectedRows: number;
  runs: number;
}

export async function planPrune(session: pg.Client, days: number): Promise<PrunePlan> {
  const { rows } = await session.query<{ plan: PrunePlan }>(
    `select to_jsonb(plan) as plan from bankpulse.plan_prune(p_older_than => $1 * interval '1 day') as plan`,
    [days],
  );
  return rows[0]!.plan;
}

/**
 * Removes what nothing needs any more, in transactions of a bounded number of rows; mechanism Y may go on meanwhile. A
 * process that ends half-way leaves the rest to the next prune.
 * @param pruned counts what is removed. @throws UserError when the signal comes.
 */
export async function prune(
  session: pg.Client,
  { old_before, last_chunk_no }: PrunePlan,
  signal: AbortSignal,
  pruned: Pruned,
): Promise<void> {
  const count = async (query: string, values: unknown[]): Promise<number | null> => {
    if (signal.aborted) throw new UserError('interrupted; run it again, and it goes on');
    const { rows } = await session.query<{ count: string | null }>(query, values);
    const text = rows[0]!.count;
    return text === null ? null : Number(text);
  };
  for (let after = 0; ;) {
    const end = await count(
      'select bankpulse.next_prune_end(p_after => $1, p_last => $2, p_count => $3) as count',
      [after, last_chunk_no, CHUNKS_AT_ONCE],
    );
    if (end === null) break;
    for (let removed = REJECTED_ROWS_AT_ONCE; removed === REJECTED_ROWS_AT_ONCE;) {
      removed = (await count(
        'select bankpulse.prune_rejected_rows(p_after => $1, p_last => $2, p_limit => $3) as count',
        [after, end, REJECTED_ROWS_AT_ONCE],
      ))!;
      pruned.rejectedRows += removed;
    }
    pruned.chunks += (await count('select bankpulse.prune_chunks(p_after => $1, p_last => $2) as count', [
      after,
      end,
    ]))!;
    after = end;
  }
  for (let removed = RUNS_AT_ONCE; removed === RUNS_AT_ONCE;) {
    removed = (await count('select bankpulse.prune_runs(p_before => $1, p_limit => $2) as count', [
      old_before,
      RUNS_AT_ONCE,
    ]))!;
    pruned.runs += removed;
  }
}
