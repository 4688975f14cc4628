-- Works out what the staged rows make of each (merchant, customer) they touch; changes nothing yet.
-- Reads: pg_temp.staged_rows, customer_merchant_stats. Writes: pg_temp.touched_pairs. Out: how many rows there were.
--
-- The staged rows are aggregated once and joined once to the stored state; everything after that works on the few
-- thousand pairs found here.
create or replace function bankpulse.collect_touched_pairs() returns bigint
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
  'Fills touched_pairs from the staged rows and the stored state; returns how many rows there were.';
