import type { Queryable } from '../../../src/database.js';

/** What the patterns compare with, as decimals. */
export interface Thresholds {
  merchantTransactionsAbove: string;
  countPercentRankFrom: string;
  weightPercentRankUpTo: string;
  transactionsFrom: string;
  averageAmountBelow: string;
  femaleCustomersAbove: string;
}

/** Those of BankPulse, so that all judge by the same. Reads bankpulse.patterns. */
export async function readThresholds(client: Queryable): Promise<Thresholds> {
  const { rows } = await client.query<Thresholds>(`
    select
      upgrade.thresholds ->> 'merchant_transactions_above' as "merchantTransactionsAbove",
      upgrade.thresholds ->> 'count_percent_rank_from' as "countPercentRankFrom",
      upgrade.thresholds ->> 'weight_percent_rank_up_to' as "weightPercentRankUpTo",
      child.thresholds ->> 'transactions_from' as "transactionsFrom",
      child.thresholds ->> 'average_amount_below' as "averageAmountBelow",
      dei_needed.thresholds ->> 'female_customers_above' as "femaleCustomersAbove"
    from bankpulse.patterns as upgrade
    inner join bankpulse.patterns as child on child.pattern_id = 'PatId2'
    inner join bankpulse.patterns as dei_needed on dei_needed.pattern_id = 'PatId3'
    where upgrade.pattern_id = 'PatId1'
  `);
  return rows[0]!;
}
