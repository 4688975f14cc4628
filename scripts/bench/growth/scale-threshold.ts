import type pg from 'pg';

/** Merchants with more than so many transactions count as busy. */
export async function scaleThreshold(client: pg.Client, transactions: number): Promise<void> {
  await client.query(
    `update bankpulse.patterns
     set thresholds = thresholds || jsonb_build_object('merchant_transactions_above', $1::bigint)
     where pattern_id = 'PatId1'`,
    [transactions],
  );
}
