import { isDeepStrictEqual } from 'node:util';
import type { Place } from './place.js';

/** What a run came to, as lines by what they are about. Times, runs and file cuts are not in it: they may differ. */
export type Outcome = Record<string, string[]>;

/** The running state, whole tables as one hash each. */
const STATE_TABLES = [
  'customer_merchant_stats',
  'merchant_stats',
  'merchant_count_histogram',
  'merchant_top_counts',
  'upgrade_candidates',
  'customer_weights',
];

/** The most differences that are told of one kind. */
const MAX_TOLD = 5;

export async function readOutcome(place: Place): Promise<Outcome> {
  const chunks = `${place.prefix}chunks/`;
  const lines = async (text: string, values: unknown[] = []) =>
    (await place.ask<{ line: string }>(text, values)).map(({ line }) => line);
  const outcome: Outcome = {
    detections: await lines(
      `select concat_ws(' ', pattern_id, merchant_id, customer_id, 'chunk', chunk_no, reason) as line
       from bankpulse.detections order by detection_id`,
    ),
    ledger: await lines(
      `select concat_ws(' ', substr(object_key, length($1) + 1), chunk_no, etag, size_bytes, status,
         'rows', row_count, rejected_count, 'detections', detection_count, 'late', is_late, error) as line
       from bankpulse.chunks order by chunk_no, object_key`,
      [chunks],
    ),
    'rejected rows': await lines(
      `select concat_ws(' ', replace(object_key, $1, ''), line_number, line, reason) as line
       from bankpulse.rejected_rows order by object_key, line_number`,
      [chunks],
    ),
    'chunks in the bucket': [],
  };
  for (const table of STATE_TABLES)
    outcome[table] = await lines(
      `select count(*) || ' rows, hash ' || coalesce(sum(hashtextextended(state::text, 0)::numeric), 0) as line
       from bankpulse.${table} as state`,
    );
  for await (const { key, size, etag } of place.s3.store.list(chunks))
    outcome['chunks in the bucket']!.push(`${key.slice(chunks.length)} ${size} ${etag}`);
  return outcome;
}

/** Where two outcomes differ, in words; empty if nowhere. */
export function differences(expected: Outcome, found: Outcome): string[] {
  return Object.keys(expected).flatMap((about) => {
    const [wanted, had] = [expected[about]!, found[about]!];
    if (isDeepStrictEqual(wanted, had)) return [];
    const [inWanted, inHad] = [new Set(wanted), new Set(had)];
    const told = [
      ...wanted.filter((line) => !inHad.has(line)).map((line) => `${about}: missing ${line}`),
      ...had.filter((line) => !inWanted.has(line)).map((line) => `${about}: not expected ${line}`),
    ];
    const what = told.length > 0 ? told : [`${about}: twice, or in another order`];
    return [...what.slice(0, MAX_TOLD), ...(what.length > MAX_TOLD ? [`${about}: and more`] : [])];
  });
}
