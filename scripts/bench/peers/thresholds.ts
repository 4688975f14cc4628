import type { Queryable } from '../../../src/database/connection.js';

/** What the patterns compare with, as decimals, under BankPulse's names. */
export type Thresholds = Readonly<Record<ThresholdName, string>>;

/** In the order in which PostgreSQL's peers number them as parameters. */
export const THRESHOLD_NAMES = [
  'merchant_transactions_above',
  'count_percent_rank_from',
  'weight_percent_rank_up_to',
  'transactions_from',
  'average_amount_below',
  'female_customers_above',
] as const;

type ThresholdName = (typeof THRESHOLD_NAMES)[number];

/** Those of BankPulse, so that all judge by the same. Reads bankpulse.patterns. */
export async function readThresholds(client: Queryable): Promise<Thresholds> {
  const { rows } = await client.query<{ thresholds: Thresholds }>(`
    select jsonb_object_agg(threshold.key, threshold.value) as thresholds
    from bankpulse.patterns
    cross join jsonb_each_text(patterns.thresholds) as threshold
  `);
  return rows[0]!.thresholds;
}
