-- Adds the staged rows to the state of each (merchant, customer), and notes the pairs it touched.
-- Reads: pg_temp.staged_rows. Writes: customer_merchant_stats, pg_temp.touched_pairs. Out: how many rows there were.
--
-- The staged rows are aggregated once; then the cost is that of the few thousand pairs they touch, whatever the
-- history: each is looked up once by primary key. The planner must not think a scan of the whole table cheaper
-- while that is small, and then keep that plan: hence no hash or merge joins here.
create or replace function bankpulse.add_staged_rows() returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_row_count bigint;
begin
  with staged_pairs as materialized (
    select
      staged_rows.merchant_id,
      staged_rows.customer_id,
      count(*) as transaction_count,
      sum(staged_rows.amount) as total_amount,
      -- COPY fills the empty table in the order of the file: the least ctid is the first transaction
      min(staged_rows.ctid) as first_row
    from pg_temp.staged_rows
    group by staged_rows.merchant_id, staged_rows.customer_id
  ),
  updated_pairs as (
    update customer_merchant_stats as stats
    set
      transaction_count = stats.transaction_count + staged_pairs.transaction_count,
      total_amount = stats.total_amount + staged_pairs.total_amount
    from staged_pairs
    where stats.merchant_id = staged_pairs.merchant_id and stats.customer_id = staged_pairs.customer_id
    returning
      stats.merchant_id,
      stats.customer_id,
      stats.gender,
      stats.transaction_count,
      stats.total_amount,
      staged_pairs.transaction_count as added_count
  ),
  new_pairs as (
    insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
    select
      staged_pairs.merchant_id,
      staged_pairs.customer_id,
      first_rows.gender,
      staged_pairs.transaction_count,
      staged_pairs.total_amount
    from staged_pairs
    inner join pg_temp.staged_rows as first_rows on first_rows.ctid = staged_pairs.first_row
    where
      (staged_pairs.merchant_id, staged_pairs.customer_id) not in (
        select updated_pairs.merchant_id, updated_pairs.customer_id from updated_pairs
      )
    returning *
  )
  insert into pg_temp.touched_pairs (
    merchant_id, customer_id, gender, transaction_count, total_amount, added_count, is_new
  )
  select merchant_id, customer_id, gender, transaction_count, total_amount, added_count, false
  from updated_pairs
  union all
  select merchant_id, customer_id, gender, transaction_count, total_amount, transaction_count, true
  from new_pairs;

  select coalesce(sum(added_count), 0) into v_row_count from pg_temp.touched_pairs;
  return v_row_count;
end;
$$;

comment on function bankpulse.add_staged_rows() is
  'Adds the staged rows to customer_merchant_stats and fills touched_pairs; returns how many rows there were.';
