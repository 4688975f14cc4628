import type pg from 'pg';

/** What is known of the stream, on disk with its indexes. */
export interface StateSize {
  bytes: number;
  /** Of that, the pairs of merchant and customer. */
  pairBytes: number;
  pairs: number;
}

const STATE_SIZE = `
  select
    sum(pg_total_relation_size(oid))::float8 as bytes,
    pg_total_relation_size('bankpulse.customer_merchant_stats')::float8 as "pairBytes",
    (select count(*) from bankpulse.customer_merchant_stats)::float8 as pairs
  from pg_class
  where
    oid = any(array[
      'bankpulse.customer_merchant_stats',
      'bankpulse.merchant_stats',
      'bankpulse.merchant_count_histogram',
      'bankpulse.upgrade_candidates',
      'bankpulse.merchant_top_counts',
      'bankpulse.customer_weights',
      'bankpulse.detections'
    ]::regclass[])
`;

/** Of the tables that hold what is known of the stream, and the weights. */
export async function readStateSize(client: pg.Client): Promise<StateSize> {
  const { rows } = await client.query<StateSize>(STATE_SIZE);
  return rows[0]!;
}
