import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import type { Queryable } from '../database/connection.js';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { beginSnapshot } from './snapshot.js';

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
  ['copy bankpulse.taken_over_rows to stdout', 'copy bankpulse.taken_over_rows from stdin'],
  ['copy bankpulse.rules_history to stdout', 'copy bankpulse.rules_history from stdin'],
];

/** The copy of the state from which a replay may begin; begin_at_checkpoint does the rest. */
const CHECKPOINT: readonly Copy[] = [
  ['copy bankpulse.checkpoint to stdout', 'copy bankpulse.checkpoint from stdin'],
  ['copy bankpulse.checkpoint_pairs to stdout', 'copy bankpulse.checkpoint_pairs from stdin'],
];

/** The state of the engine. The replay fills customer_merchant_stats itself and leaves the other tables alone. */
const STATE: readonly Copy[] = [
  ['copy bankpulse.customer_merchant_stats to stdout', 'copy pg_temp.audited_pairs from stdin'],
  ['copy bankpulse.merchant_stats to stdout', 'copy bankpulse.merchant_stats from stdin'],
];

/** What the patterns remember, without the tables of patterns that are not in sql/: the scratch database lacks them. */
async function rememberedTables(source: Queryable, scratch: Queryable): Promise<Copy[]> {
  const { rows: remembered } = await source.query<{ name: string }>(
    'select distinct unnest(remembers) as name from bankpulse.patterns order by name',
  );
  const { rows } = await scratch.query<{ from: string; to: string }>(
    `select format('copy bankpulse.%I to stdout', name) as "from", format('copy bankpulse.%I from stdin', name) as "to"
     from unnest($1::text[]) as remembered (name)
     where to_regclass(format('bankpulse.%I', name)) is not null`,
    [remembered.map(({ name }) => name)],
  );
  return rows.map(({ from, to }) => [from, to]);
}

async function copyTables(source: pg.Client, target: pg.Client, copies: readonly Copy[]): Promise<void> {
  for (const [from, to] of copies) {
    const writing = target.query(copyFrom(to));
    writing.on('error', () => undefined); // as in loader/stage.ts
    await pipeline(source.query(copyTo(from)), writing);
  }
}

/** Copies everything that an audit compares, as of one moment. `fromStart`: without the checkpoint. */
export async function copyAuditedDatabase(
  source: pg.Client,
  scratch: pg.Client,
  fromStart: boolean,
): Promise<void> {
  await beginSnapshot(source);
  await copyTables(source, scratch, [
    ...LEDGER,
    ...(fromStart ? [] : CHECKPOINT),
    ...STATE,
    ...(await rememberedTables(source, scratch)),
  ]);
  await source.query('commit');
}

/** Copies the ledger and all that belongs to it, for a backtest. */
export async function copyAuditedLedger(source: pg.Client, scratch: pg.Client): Promise<void> {
  await beginSnapshot(source);
  await copyTables(source, scratch, LEDGER);
  await source.query('commit');
}

/** Copies the state once more, after a rebuild. */
export async function copyAuditedState(source: pg.Client, scratch: pg.Client): Promise<void> {
  await scratch.query('truncate pg_temp.audited_pairs, bankpulse.merchant_stats');
  await scratch.query('select bankpulse.forget_remembered()');
  await beginSnapshot(source);
  await copyTables(source, scratch, [...STATE, ...(await rememberedTables(source, scratch))]);
  await source.query('commit');
}

/** Copies the replay's pairs into the audited database, within the caller's transaction. */
export async function copyReplayedPairs(
  scratch: pg.Client,
  target: pg.Client,
  to: 'copy bankpulse.customer_merchant_stats from stdin' | 'copy bankpulse.checkpoint_pairs from stdin',
): Promise<void> {
  await copyTables(scratch, target, [['copy bankpulse.customer_merchant_stats to stdout', to]]);
}
