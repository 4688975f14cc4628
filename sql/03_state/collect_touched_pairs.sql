-- Computes the new values of each (merchant, customer) pair that the staged rows touch; changes no state yet.
-- Reads: pg_temp.staged_rows, customer_merchant_stats. Writes: pg_temp.touched_pairs. Out: the number of staged rows.
--
-- It aggregates the staged rows once and joins them once to the stored state; all later steps work on the few
-- thousand pairs in touched_pairs.
create or replace function bankpulse.collect_touched_pairs() returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_row_count bigint;
begin
  -- execute plans the statement anew each time. While the stats are small, reading them all is cheaper than a lookup
  -- per pair; a plan cached then would read them all for ever.
  execute $sql$
    insert into pg_temp.touched_pairs (
      merchant_id, customer_id, gender, transaction_count, total_amount, added_count, is_new, stats_row
    )
    select
      staged_pairs.merchant_id,
      staged_pairs.customer_id,
      coalesce(stats.gender, first_rows.gender),
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
        min(row_number) as first_row_number
      from pg_temp.staged_rows
      group by merchant_id, customer_id
    ) as staged_pairs
    inner join pg_temp.staged_rows as first_rows on first_rows.row_number = staged_pairs.first_row_number
    left join customer_merchant_stats as stats
      on stats.merchant_id = staged_pairs.merchant_id and stats.customer_id = staged_pairs.customer_id
  $sql$;

  select count(*) into v_row_count from pg_temp.staged_rows;
  return v_row_count;
end;
$$;

comment on function bankpulse.collect_touched_pairs() is
  'Fills touched_pairs from the staged rows and the stored state; returns the number of staged rows.';
