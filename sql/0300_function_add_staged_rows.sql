-- Adds the staged rows to the state of each (merchant, customer), and notes the pairs it touched.
-- Reads: pg_temp.staged_rows. Writes: customer_merchant_stats, pg_temp.touched_pairs. Out: how many rows there were.
--
-- The staged rows are aggregated once and joined once to the stored state; everything after that works on the few
-- thousand pairs they touch. The lease keeps others from changing the stats meanwhile, so a row found by that join is
-- found again by its ctid, without another look at the index.
create or replace function bankpulse.add_staged_rows() returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_row_count bigint;
begin
  -- Planned anew each time: while the stats are small, reading them all beats a lookup per pair, and a plan kept from
  -- then would read them all for ever.
  execute $sql$
    insert into pg_temp.touched_pairs (
      merchant_id, customer_id, gender, transaction_count, total_amount, added_count, is_new, stats_row
    )
    select
      staged_pairs.merchant_id,
      staged_pairs.customer_id,
      coalesce(stats.gender, (select gender from pg_temp.staged_rows where ctid = staged_pairs.first_row)),
      coalesce(stats.transaction_count, 0) + staged_pairs.transaction_count,
      coalesce(stats.total_amount, 0) + staged_pairs.total_amount,
      staged_pairs.transaction_count,
      stats.ctid is null,
      stats.ctid
    from (
      select
        merchant_id,
        customer_id,
        count(*) as transaction_count,
        sum(amount) as total_amount,
        -- COPY fills the empty table in the order of the file: the least ctid is the first transaction
        min(ctid) as first_row
      from pg_temp.staged_rows
      group by merchant_id, customer_id
    ) as staged_pairs
    left join customer_merchant_stats as stats
      on stats.merchant_id = staged_pairs.merchant_id and stats.customer_id = staged_pairs.customer_id
  $sql$;

  update customer_merchant_stats as stats
  set transaction_count = touched_pairs.transaction_count, total_amount = touched_pairs.total_amount
  from pg_temp.touched_pairs
  where stats.ctid = touched_pairs.stats_row;

  insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant_id, customer_id, gender, transaction_count, total_amount
  from pg_temp.touched_pairs
  where is_new;

  select count(*) into v_row_count from pg_temp.staged_rows;
  return v_row_count;
end;
$$;

comment on function bankpulse.add_staged_rows() is
  'Adds the staged rows to customer_merchant_stats and fills touched_pairs; returns how many rows there were.';
