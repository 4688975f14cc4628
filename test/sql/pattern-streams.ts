import { expect } from 'chai';
import fc from 'fast-check';
import type pg from 'pg';
import type { ChunkDriver, Row } from '../support/chunks.js';
import { StreamOracle, type Found, type Rules, type Weight } from './stream-oracle.js';

export interface Step {
  rows: Row[];
  /** Takes effect before the rows. */
  rules?: AnyRules | undefined;
  weights?: Weight[] | undefined;
}

// Names whose bytewise order is no locale's: upper before lower case, é last; and a formula.
const merchants = ['a', 'Z', 'é', '_'];
const customers = ['a', 'b', 'Z', 'é', '_', 'B', '=1', 'ab'];

const amount = fc.constantFrom('23', '22.999999999999999', '0', '-5', '100.5', '23.01', '-0.000000000000001');
const row = fc.record({
  customer: fc.constantFrom(...customers),
  gender: fc.constantFrom('F', 'M', 'M', 'F', 'E', ''),
  merchant: fc.constantFrom('a', 'Z', ...merchants),
  amount,
});
const weights = fc.array(
  fc.record({
    customer: fc.constantFrom(...customers, 'absent'),
    merchant: fc.constantFrom(...merchants, 'absent'),
    weight: fc.constantFrom('1', '2', '3', '0.5', '-1', '0.00000000005', '1.00000000004'),
  }),
  { minLength: 20, maxLength: 35, size: 'max' },
);

/** The patterns that these tests judge: those of the product, and two that the tests bring. */
export type AnyRules = Record<string, { isEnabled: boolean } & Record<string, number | string>>;

/** Values for a threshold, by what it limits: those of the three patterns are at the boundaries of the streams above. */
function valuesOf(name: string): fc.Arbitrary<number> {
  if (/_(rank|share)_/.test(name)) return fc.constantFrom(0.9, 0.5, 0.6, 0.75, 1, 1, 0.25, 0.1, 0);
  if (name.startsWith('average_amount')) return fc.constantFrom(23, 0, -2.5);
  if (name.startsWith('total_amount')) return fc.constantFrom(23, 0, 100.5, 201);
  return fc.constantFrom(0, 0, 1, 2, 3, 4, 8);
}

/** Random thresholds for every pattern in the table. */
export function rulesOf(patterns: { pattern_id: string; names: string[] }[]): fc.Arbitrary<AnyRules> {
  return fc.record(
    Object.fromEntries(
      patterns.map(({ pattern_id, names }) => [
        pattern_id,
        fc.record({
          isEnabled: fc.constantFrom(true, true, true, false),
          ...Object.fromEntries(names.map((name) => [name, valuesOf(name)])),
        }),
      ]),
    ),
  ) as unknown as fc.Arbitrary<AnyRules>;
}

export function streamOf(rules: fc.Arbitrary<AnyRules>): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.record({
    rows: fc.array(row, { maxLength: 12, size: 'max' }),
    rules: fc.oneof({ arbitrary: fc.constant(undefined), weight: 7 }, { arbitrary: rules, weight: 1 }),
    weights: fc.oneof({ arbitrary: fc.constant(undefined), weight: 7 }, { arbitrary: weights, weight: 1 }),
  });
  return fc
    .tuple(rules, weights, fc.array(step, { minLength: 4, maxLength: 8, size: 'max' }))
    .map(([firstRules, firstWeights, steps]): Step[] => [
      { rows: [], rules: firstRules, weights: firstWeights },
      ...steps,
    ]);
}

/** Deletes everything that a stream leaves behind; for a small state delete is cheaper than truncate. */
export const clearState = `
  do $$
  declare
    v_table regclass;
  begin
    for v_table in
      select oid from pg_class
      where
        relnamespace = 'bankpulse'::regnamespace
        and relkind = 'r'
        and relname not in ('migrations', 'applied_sql_files', 'patterns', 'runs', 'pipeline_lease')
    loop
      execute 'delete from ' || v_table;
    end loop;
  end;
  $$`;

export const newDetections = `
  select pattern_id as pattern, merchant_id as merchant, customer_id as customer, reason
  from bankpulse.detections where chunk_no = $1 order by detection_id`;

const newMatches = `
  select matches.pattern_id as pattern, matches.merchant_id as merchant, matches.customer_id as customer, reason
  from bankpulse.pattern_matches as matches
  where
    not exists (
      select from bankpulse.detections as earlier
      where
        (earlier.pattern_id, earlier.merchant_id, earlier.customer_id)
        = (matches.pattern_id, matches.merchant_id, matches.customer_id)
        and earlier.chunk_no < $1
    )
  order by matches.pattern_id collate "C", matches.merchant_id collate "C", matches.customer_id collate "C"`;

/** Rows of a running state that differ from what customer_merchant_stats and customer_weights say. */
const disagreements = `
  with counted_merchants as (
    select
      merchant_id,
      sum(transaction_count)::bigint as transaction_count,
      count(*) as customer_count,
      count(*) filter (where gender = 'F') as female_count,
      count(*) filter (where gender = 'M') as male_count
    from bankpulse.customer_merchant_stats group by merchant_id
  ),
  -- what PatId1 remembers, of these merchants alone
  remembered as (
    select merchant_id from bankpulse.merchant_top_counts
  ),
  counted_histogram as (
    select merchant_id, transaction_count, count(*) as customer_count
    from bankpulse.customer_merchant_stats
    where merchant_id in (table remembered)
    group by merchant_id, transaction_count
  ),
  ranked_weights as (
    select
      merchant_id,
      customer_id,
      average_weight,
      rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
      count(*) over (partition by merchant_id) as weight_count
    from bankpulse.customer_weights
  ),
  expected_candidates as (
    select
      ranked_weights.merchant_id,
      ranked_weights.customer_id,
      average_weight,
      smaller_weights,
      weight_count
    from ranked_weights
    inner join bankpulse.patterns
      on
        pattern_id = 'PatId1'
        and smaller_weights <= (thresholds ->> 'weight_percent_rank_up_to')::numeric * greatest(weight_count - 1, 1)
    where
      merchant_id in (table remembered)
      and not exists (
        select from bankpulse.detections
        where
          (detections.pattern_id, detections.merchant_id, detections.customer_id)
          = ('PatId1', ranked_weights.merchant_id, ranked_weights.customer_id)
      )
  ),
  ranked_counts as (
    select
      merchant_id,
      customer_id,
      transaction_count,
      rank() over (partition by merchant_id order by transaction_count) - 1 as smaller_counts,
      count(*) over (partition by merchant_id) as customer_count
    from bankpulse.customer_merchant_stats
  ),
  top_shares as (
    select merchant_id, customer_id, transaction_count
    from ranked_counts
    inner join bankpulse.patterns
      on
        pattern_id = 'PatId1'
        and smaller_counts >= (thresholds ->> 'count_percent_rank_from')::numeric * greatest(customer_count - 1, 1)
  ),
  expected_top_counts as (
    select merchant_id, min(top_shares.transaction_count) as top_count
    from bankpulse.merchant_top_counts left join top_shares using (merchant_id)
    group by merchant_id
  )
  select 'merchant_stats' as state, to_jsonb(rows) as row from (
    (table counted_merchants except table bankpulse.merchant_stats)
    union all (table bankpulse.merchant_stats except table counted_merchants)
  ) as rows
  union all
  select 'merchant_count_histogram', to_jsonb(rows) from (
    (table counted_histogram except table bankpulse.merchant_count_histogram)
    union all (table bankpulse.merchant_count_histogram except table counted_histogram)
  ) as rows
  union all
  select 'upgrade_candidates', to_jsonb(rows) from (
    (table expected_candidates except table bankpulse.upgrade_candidates)
    union all (table bankpulse.upgrade_candidates except table expected_candidates)
  ) as rows
  union all
  select 'merchant_top_counts', to_jsonb(rows) from (
    (table expected_top_counts except select merchant_id, top_count from bankpulse.merchant_top_counts)
    union all (select merchant_id, top_count from bankpulse.merchant_top_counts except table expected_top_counts)
  ) as rows
  -- the view that rebuild and verify use
  union all
  select 'derived_merchant_stats', to_jsonb(rows) from (
    (table bankpulse.derived_merchant_stats except table bankpulse.merchant_stats)
    union all (table bankpulse.merchant_stats except table bankpulse.derived_merchant_stats)
  ) as rows
  union all
  select 'a busy merchant of the chunk without a top count', to_jsonb(merchant_stats)
  from bankpulse.merchant_stats
  inner join bankpulse.patterns
    on pattern_id = 'PatId1' and is_enabled and transaction_count > (thresholds ->> 'merchant_transactions_above')::numeric
  where
    merchant_id = any ($1)
    and not exists (
      select from bankpulse.merchant_top_counts as noted where noted.merchant_id = merchant_stats.merchant_id
    )
  union all
  select 'candidates that should have been found', to_jsonb(candidates)
  from bankpulse.upgrade_candidates as candidates
  inner join top_shares using (merchant_id, customer_id)
  union all
  select 'chunks', jsonb_build_object('row_count', applied.row_count, 'transactions', stats.transaction_count)
  from (select coalesce(sum(row_count), 0) as row_count from bankpulse.chunks) as applied
  cross join (
    select coalesce(sum(transaction_count), 0) as transaction_count from bankpulse.customer_merchant_stats
  ) as stats
  where applied.row_count <> stats.transaction_count`;

/** Rows that a table named in patterns.remembers holds, and its derived_* view does not, or the other way round. */
async function forgotten(client: pg.Client): Promise<unknown[]> {
  const { rows: tables } = await client.query<{ query: string }>(
    `select format(
       $$select to_jsonb(rows) as row from (
         (table bankpulse.%1$I except table bankpulse.%2$I) union all (table bankpulse.%2$I except table bankpulse.%1$I)
       ) as rows$$,
       name, 'derived_' || name
     ) as query
     from (select distinct unnest(remembers) as name from bankpulse.patterns) as remembered`,
  );
  const found: unknown[] = [];
  for (const { query } of tables) found.push(...(await client.query<{ row: unknown }>(query)).rows);
  return found;
}

/**
 * Applies streams and judges them: after every chunk the incremental way, pattern_matches and the oracle must agree, and
 * the running states with what they are derived from.
 */
export function usePatternStreams(given: () => ChunkDriver) {
  async function setRules(changed: AnyRules): Promise<void> {
    await given().client.query(
      `update bankpulse.patterns
       set is_enabled = (rules.value ->> 'isEnabled')::boolean, thresholds = rules.value - 'isEnabled'
       from jsonb_each($1) as rules where rules.key = patterns.pattern_id`,
      [JSON.stringify(changed)],
    );
  }

  /** The rules of the patterns that the oracle knows, with decimals as text. */
  const oracleRules = ({ PatId1, PatId2, PatId3 }: AnyRules) =>
    ({
      PatId1: {
        ...PatId1,
        count_percent_rank_from: String(PatId1!.count_percent_rank_from),
        weight_percent_rank_up_to: String(PatId1!.weight_percent_rank_up_to),
      },
      PatId2: { ...PatId2, average_amount_below: String(PatId2!.average_amount_below) },
      PatId3,
    }) as unknown as Rules;

  /** Prepared once: planning these queries takes longer than running them. */
  async function find(name: string, text: string, chunkNo: number): Promise<(Found & { reason: unknown })[]> {
    return (await given().client.query<Found & { reason: unknown }>({ name, text, values: [chunkNo] })).rows;
  }

  /** How many detections of each pattern all streams together had: a property about none would say nothing. */
  const seen = new Map<string, number>();

  async function checkStream(steps: readonly Step[]): Promise<void> {
    await given().client.query(clearState);
    const oracle = new StreamOracle();
    for (const { rows, rules: changedRules, weights: changedWeights } of steps) {
      if (changedRules) {
        await setRules(changedRules);
        oracle.setRules(oracleRules(changedRules));
      }
      if (changedWeights) {
        await given().loadWeights(changedWeights);
        oracle.setWeights(changedWeights);
      }
      const { chunkNo, rowCount } = await given().apply(rows);
      expect(rowCount).to.equal(rows.length);
      const found = await find('detections', newDetections, chunkNo);
      const matches = await find('matches', newMatches, chunkNo);
      expect(found, 'the incremental way and pattern_matches').to.deep.equal(matches);
      expect(
        found
          .filter(({ pattern }) => pattern <= 'PatId3')
          .map(({ pattern, merchant, customer }) => ({ pattern, merchant, customer })),
        'PostgreSQL and the oracle',
      ).to.deep.equal(oracle.apply(rows));
      const { rows: wrongState } = await given().client.query({
        name: 'state',
        text: disagreements,
        // after a change of rules or weights the engine empties what the patterns remember
        values: [changedRules || changedWeights ? [] : rows.map(({ merchant }) => merchant)],
      });
      expect(wrongState, 'running states').to.deep.equal([]);
      for (const { pattern } of found) seen.set(pattern, (seen.get(pattern) ?? 0) + 1);
    }
    expect(await forgotten(given().client), 'what the patterns remember').to.deep.equal([]);
  }

  /** The patterns in the table, with the names of their thresholds. */
  async function readPatterns(): Promise<{ pattern_id: string; names: string[] }[]> {
    const { rows } = await given().client.query<{ pattern_id: string; names: string[] }>(
      `select pattern_id, array(select jsonb_object_keys(thresholds) order by 1) as names
       from bankpulse.patterns order by pattern_id`,
    );
    return rows;
  }

  return { setRules, find, checkStream, readPatterns, seen };
}
