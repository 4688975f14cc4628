import type pg from 'pg';

/** What a table takes on disk with its indexes, in bytes, and its rows. */
export interface TableSize {
  table: string;
  bytes: number;
  rows: number;
}

const SIZES = `
  select
    tables.name as "table",
    pg_total_relation_size(('bankpulse.' || tables.name)::regclass)::float8 as bytes,
    tables.row_count::float8 as rows
  from (
    select 'customer_merchant_stats' as name, count(*) as row_count from bankpulse.customer_merchant_stats
    union all
    select 'merchant_stats', count(*) from bankpulse.merchant_stats
    union all
    select 'merchant_count_histogram', count(*) from bankpulse.merchant_count_histogram
    union all
    select 'upgrade_candidates', count(*) from bankpulse.upgrade_candidates
    union all
    select 'merchant_top_counts', count(*) from bankpulse.merchant_top_counts
    union all
    select 'customer_weights', count(*) from bankpulse.customer_weights
    union all
    select 'detections', count(*) from bankpulse.detections
  ) as tables
`;

/** Of the tables that hold what is known of the stream, and the weights. */
export async function readStateSize(client: pg.Client): Promise<TableSize[]> {
  return (await client.query<TableSize>(SIZES)).rows;
}
