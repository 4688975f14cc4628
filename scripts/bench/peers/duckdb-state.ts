import type { DuckdbDesign } from './duckdb.js';

/**
 * DuckDB with the running state that BankPulse keeps: pairs, merchants, histogram of counts, candidates. No table has an
 * index: DuckDB does not use one for a join, and an upsert by primary key takes longer than the statements here.
 * pair_key is a hash of both names, because one number is compared faster than two names.
 */
export const duckdbState: DuckdbDesign = {
  name: 'duckdb_state',
  about: 'DuckDB, the same running state as BankPulse',

  createTables: `
    create table pairs (
      pair_key ubigint, merchant_id varchar, customer_id varchar, gender varchar,
      transaction_count bigint, total_amount decimal(38, 6)
    );
    create table merchants (
      merchant_id varchar, transaction_count bigint, customer_count bigint, female_count bigint, male_count bigint
    );
    create table histogram (merchant_id varchar, transaction_count bigint, customer_count bigint);
    -- the undetected pairs with a weight in the bottom share
    create table candidates as
    select hash(merchant_id, customer_id) as pair_key, merchant_id, customer_id, 0::bigint as transaction_count
    from low_weights;
  `,
  addRows: 'create or replace temporary table staged_rows as from read_transactions($files)',
  updateState: `
    create or replace temporary table staged_pairs as
    select
      hash(merchant_id, customer_id) as pair_key, merchant_id, customer_id,
      arg_min(gender, rowid) as gender, count(*) as added_count, sum(amount) as added_amount
    from staged_rows group by merchant_id, customer_id;
    -- by the key alone, which reads one column of the state; other pairs of the same key drop out below
    create or replace temporary table key_rows as
    select pairs.rowid as pair_row from pairs semi join staged_pairs using (pair_key);
    create or replace temporary table touched_pairs as
    with known_pairs as (
      select key_rows.pair_row, pairs.merchant_id, pairs.customer_id, pairs.transaction_count, pairs.total_amount
      from pairs inner join key_rows on key_rows.pair_row = pairs.rowid
    )
    select
      staged_pairs.*, known_pairs.pair_row,
      coalesce(known_pairs.transaction_count, 0) + staged_pairs.added_count as transaction_count,
      coalesce(known_pairs.total_amount, 0) + staged_pairs.added_amount as total_amount
    from staged_pairs left join known_pairs using (merchant_id, customer_id);

    update pairs
    set transaction_count = touched_pairs.transaction_count, total_amount = touched_pairs.total_amount
    from touched_pairs
    where pairs.rowid = touched_pairs.pair_row;
    insert into pairs
    select pair_key, merchant_id, customer_id, gender, transaction_count, total_amount
    from touched_pairs where pair_row is null;

    create or replace temporary table touched_merchants as
    select
      merchant_id, sum(added_count)::bigint as transaction_count,
      count(*) filter (where pair_row is null) as customer_count,
      count(*) filter (where pair_row is null and gender = 'F') as female_count,
      count(*) filter (where pair_row is null and gender = 'M') as male_count
    from touched_pairs
    group by merchant_id;
    merge into merchants using touched_merchants using (merchant_id)
    when matched then update set
      transaction_count = merchants.transaction_count + touched_merchants.transaction_count,
      customer_count = merchants.customer_count + touched_merchants.customer_count,
      female_count = merchants.female_count + touched_merchants.female_count,
      male_count = merchants.male_count + touched_merchants.male_count
    when not matched then insert;

    create or replace temporary table histogram_changes as
    with changes as (
      select merchant_id, transaction_count, 1 as change from touched_pairs
      union all
      select merchant_id, transaction_count - added_count, -1 from touched_pairs where pair_row is not null
    )
    select merchant_id, transaction_count, sum(change)::bigint as customer_count from changes
    group by merchant_id, transaction_count
    having sum(change) <> 0;
    merge into histogram using histogram_changes using (merchant_id, transaction_count)
    when matched then update set customer_count = histogram.customer_count + histogram_changes.customer_count
    when not matched then insert;

    merge into candidates using touched_pairs using (pair_key, merchant_id, customer_id)
    when matched then update set transaction_count = touched_pairs.transaction_count;
  `,

  // only merchants that the chunk touched can have changed
  detect: `
    insert into detections
    with busy_merchants as (
      select merchant_id, customer_count
      from merchants semi join touched_merchants using (merchant_id)
      where transaction_count > $merchant_transactions_above::decimal(18, 3)
    ),
    ranked_counts as (
      select
        merchant_id, transaction_count, busy_merchants.customer_count,
        sum(histogram.customer_count) over (partition by merchant_id order by transaction_count)
          - histogram.customer_count as smaller_counts
      from histogram inner join busy_merchants using (merchant_id)
      where histogram.customer_count > 0
    ),
    top_counts as (
      select merchant_id, min(transaction_count) as top_count
      from ranked_counts
      where smaller_counts >= $count_percent_rank_from::decimal(9, 6) * greatest(customer_count - 1, 1)
      group by merchant_id
    ),
    matches as (
      select 'PatId1' as pattern, merchant_id, customer_id
      from candidates inner join top_counts using (merchant_id)
      where transaction_count >= top_count
      union all
      select 'PatId2', merchant_id, customer_id
      from touched_pairs
      where transaction_count >= $transactions_from::decimal(18, 3)
        and total_amount < $average_amount_below::decimal(18, 6) * transaction_count
      union all
      select 'PatId3', merchant_id, ''
      from merchants semi join touched_merchants using (merchant_id)
      where female_count > $female_customers_above::decimal(18, 3) and female_count < male_count
    )
    select *, $chunk from matches anti join detections using (pattern, merchant_id, customer_id)
    returning pattern, merchant_id as merchant, customer_id as customer, chunk
`,

  forgetDetected: `
    merge into candidates
    using (from detections where pattern = 'PatId1') as detected using (merchant_id, customer_id)
    when matched then delete
  `,
};
