-- Computes the new values of each (merchant, customer) pair that the staged rows touch; changes no state yet.
-- Reads: staged_rows, customer_merchant_stats. Writes: touched_pairs. Out: the number of pairs.
--
-- It aggregates the staged rows once and joins them once to the stored state; all later steps work on the few
-- thousand pairs in touched_pairs.
create or replace function bankpulse.collect_touched_pairs() returns bigint
language plpgsql volatile
as $$
declare
  v_pair_count bigint;
begin
  -- execute plans the statement anew each time. While the stats are small, reading them all is cheaper than a lookup
  -- per pair; a plan cached then would read them all for ever.
  execute $sql$
    insert into touched_pairs (
      merchant_id, customer_id, gender, transaction_count, total_amount, added_count, is_new, stats_row
    )
    select
      staged_pairs.merchant_id,
      staged_pairs.customer_id,
      coalesce(stats.gender, substr(staged_pairs.first_gender, 11)),
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
        min(placed_gender) as first_gender
      from staged_rows
      group by merchant_id, customer_id
      -- The pairs of a merchant stand together in the index: one after the other they find its pages in the processor's cache,
      -- here and where new ones are added. Numbers are sorted faster than texts, and any order of the merchants will do.
      order by hashtext(merchant_id)
    ) as staged_pairs
    left join customer_merchant_stats as stats
      on stats.merchant_id = staged_pairs.merchant_id and stats.customer_id = staged_pairs.customer_id
  $sql$;

  get diagnostics v_pair_count = row_count;
  return v_pair_count;
end;
$$;

comment on function bankpulse.collect_touched_pairs() is
  'Fills touched_pairs from the staged rows and the stored state; returns the number of pairs.';
