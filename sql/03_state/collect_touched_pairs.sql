-- Computes the new values of each (merchant, customer) pair that the staged rows touch; changes no state yet.
-- Reads: summed_pairs, customer_merchant_stats. Writes: touched_pairs. Out: the number of pairs.
--
-- It joins the sums once to the stored state; all later steps work on the few thousand pairs in touched_pairs.
create or replace function bankpulse.collect_touched_pairs() returns bigint
language plpgsql volatile
-- While the stats are few, the planner reads them all and joins by a hash. summed_pairs has no statistics, so it expects long
-- chains of equal hashes there and makes the hash table of the stats, which are more and do not fit the processor's
-- cache. Without a price for comparisons it takes the smaller table. A sort would be free then, too, and the descent in an
-- index: the price of an index entry stands for it.
set cpu_operator_cost = 0
set cpu_index_tuple_cost = 0.1
set enable_mergejoin = off
-- The pages of the index are in memory. So a chunk of 5,000 pairs is looked up by index from some 100,000 stored pairs on.
set random_page_cost = 1.1
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
      summed.merchant_id,
      summed.customer_id,
      coalesce(stats.gender, substr(summed.first_gender, 11)),
      coalesce(stats.transaction_count, 0) + summed.transaction_count,
      coalesce(stats.total_amount, 0) + summed.total_amount,
      summed.transaction_count,
      stats.ctid is null,
      stats.ctid
    from summed_pairs as summed
    left join customer_merchant_stats as stats
      on stats.merchant_id = summed.merchant_id and stats.customer_id = summed.customer_id
  $sql$;

  get diagnostics v_pair_count = row_count;
  return v_pair_count;
end;
$$;

comment on function bankpulse.collect_touched_pairs() is
  'Fills touched_pairs from the sums of the staged rows and the stored state; returns the number of pairs.';
