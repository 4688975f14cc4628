import type { DuckdbDesign } from './duckdb.js';

/**
 * DuckDB with a table of all transactions, from which it computes everything for each chunk. Nothing is ever deleted, so
 * rowid is the order of the stream. The start of the top share comes from the histogram of counts, which is far less to
 * sort than all pairs. Comparisons are of whole numbers and decimals, so they are exact.
 */
export const duckdbHistory: DuckdbDesign = {
  name: 'duckdb_history',
  about: 'DuckDB, all transactions kept, everything worked out anew',

  createTables:
    'create table transactions (merchant_id varchar, customer_id varchar, gender varchar, amount decimal(18, 6))',
  addRows: 'insert into transactions from read_transactions($files)',

  detect: `
    insert into detections
    with pairs as materialized (
      select
        merchant_id, customer_id,
        count(*) as transaction_count, sum(amount) as total_amount, arg_min(gender, rowid) as gender
      from transactions group by merchant_id, customer_id
    ),
    merchants as materialized (
      select
        merchant_id, sum(transaction_count) as transaction_count,
        count(*) filter (where gender = 'F') as female_count, count(*) filter (where gender = 'M') as male_count
      from pairs
      group by merchant_id
    ),
    busy_merchants as (
      select merchant_id from merchants where transaction_count > $merchant_transactions_above::decimal(18, 3)
    ),
    histogram as (
      select merchant_id, transaction_count, count(*) as customer_count
      from pairs semi join busy_merchants using (merchant_id)
      group by merchant_id, transaction_count
    ),
    ranked_counts as (
      select
        merchant_id, transaction_count,
        sum(customer_count) over (partition by merchant_id) as customer_count,
        sum(customer_count) over (partition by merchant_id order by transaction_count) - customer_count as smaller_counts
      from histogram
    ),
    top_counts as (
      select merchant_id, min(transaction_count) as top_count
      from ranked_counts
      where smaller_counts >= $count_percent_rank_from::decimal(9, 6) * greatest(customer_count - 1, 1)
      group by merchant_id
    ),
    matches as (
      select 'PatId1' as pattern, merchant_id, customer_id
      from pairs
      inner join top_counts using (merchant_id)
      semi join low_weights using (merchant_id, customer_id)
      where transaction_count >= top_count
      union all
      select 'PatId2', merchant_id, customer_id
      from pairs
      where transaction_count >= $transactions_from::decimal(18, 3)
        and total_amount < $average_amount_below::decimal(18, 6) * transaction_count
      union all
      select 'PatId3', merchant_id, ''
      from merchants
      where female_count > $female_customers_above::decimal(18, 3) and female_count < male_count
    )
    select *, $chunk from matches anti join detections using (pattern, merchant_id, customer_id)
    returning pattern, merchant_id as merchant, customer_id as customer, chunk
  `,
};
