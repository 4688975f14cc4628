-- PatId1, UPGRADE, at the merchants that the chunk touched: customers in the top 10 % by transactions and the bottom
-- 10 % by weight, at a merchant with more than 50,000 transactions.
-- In: the pattern's thresholds. Reads: pg_temp.touched_pairs, touched_merchants, merchant_count_histogram,
-- customer_merchant_stats. Writes: upgrade_candidates, merchant_top_counts. Out: the pairs that satisfy it now and
-- were not found before.
--
-- The candidates are the pairs with a low weight; weights change only with the importance file. A pair that is found
-- is removed from them. merchant_top_counts holds each merchant's top_count, the smallest number of transactions in
-- its top share, as of the last chunk that touched the merchant. Every candidate of the merchant that is not detected
-- was below it then. So there are two ways for a candidate to enter the top share:
--   risen      the chunk raised its number of transactions to the new top_count or above
--   uncovered  the top_count has fallen, which is rare; the function then looks up all candidates of the merchant
-- The function also looks up all of them if merchant_top_counts has no top_count for the merchant: it has just passed
-- 50,000 transactions, too many of its customers tied, the rules have changed, or the state was rebuilt.
create or replace function bankpulse.detect_upgrade(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
-- a low estimate, so that the planner of the calling statement chooses index lookups into detections
rows 100
set search_path = bankpulse, pg_temp
-- the planner plans anew for the present size of the tables, and takes them to be in memory
set plan_cache_mode = force_custom_plan
set random_page_cost = 1.1
as $$
#variable_conflict use_column
declare
  v_merchant_transactions_above constant numeric := threshold(p_thresholds, 'merchant_transactions_above');
  v_count_percent_rank_from constant numeric := threshold(p_thresholds, 'count_percent_rank_from');
begin
  return query
  with top_counts as materialized (
    select
      merchants.merchant_id,
      merchants.transaction_count,
      merchants.customer_count,
      first_counts.top_count,
      former.top_count as former_top_count
    from pg_temp.touched_merchants as merchants
    left join merchant_top_counts as former on former.merchant_id = merchants.merchant_id
    left join lateral (
      -- reads the histogram from the smallest number on, and stops at the first in the top share
      select ranked_counts.transaction_count as top_count
      from (
        select
          histogram.transaction_count,
          sum(histogram.customer_count) over (order by histogram.transaction_count) - histogram.customer_count
          as smaller_counts
        from merchant_count_histogram as histogram
        where histogram.merchant_id = merchants.merchant_id
      ) as ranked_counts
      where ranked_counts.smaller_counts >= v_count_percent_rank_from * greatest(merchants.customer_count - 1, 1)
      order by ranked_counts.transaction_count
      limit 1
    ) as first_counts on true
    where merchants.transaction_count > v_merchant_transactions_above
  ),
  noted_top_counts as (
    insert into merchant_top_counts as noted (merchant_id, top_count)
    select merchant_id, top_count from top_counts
    on conflict (merchant_id) do update
    set top_count = excluded.top_count
    where noted.top_count is distinct from excluded.top_count
  ),
  -- offset 0, here and below, forces a lookup per row: the planner cannot know how few rows there are, and might
  -- otherwise read the whole table
  risen_candidates as (
    select candidates.*, touched_pairs.transaction_count
    from top_counts
    inner join pg_temp.touched_pairs
      on
        touched_pairs.merchant_id = top_counts.merchant_id
        and touched_pairs.transaction_count >= top_counts.top_count
        and touched_pairs.transaction_count - touched_pairs.added_count < top_counts.former_top_count
        and top_counts.top_count >= top_counts.former_top_count
    cross join lateral (
      select candidates.ctid as candidate_row, candidates.*
      from upgrade_candidates as candidates
      where
        candidates.merchant_id = touched_pairs.merchant_id
        and candidates.customer_id = touched_pairs.customer_id
      offset 0
    ) as candidates
  ),
  uncovered_candidates as (
    select candidates.*, stats.transaction_count
    from top_counts
    cross join lateral (
      select candidates.ctid as candidate_row, candidates.*
      from upgrade_candidates as candidates
      where candidates.merchant_id = top_counts.merchant_id
      offset 0
    ) as candidates
    cross join lateral (
      select stats.transaction_count
      from customer_merchant_stats as stats
      where stats.merchant_id = candidates.merchant_id and stats.customer_id = candidates.customer_id
      offset 0
    ) as stats
    where
      (top_counts.former_top_count is null or top_counts.top_count < top_counts.former_top_count)
      and stats.transaction_count >= top_counts.top_count
  ),
  found_candidates as materialized (
    select * from risen_candidates
    union all
    select * from uncovered_candidates
  ),
  -- by ctid, as in write_touched_pairs: no other session writes while this one holds the lease
  deleted_candidates as (
    delete from upgrade_candidates
    where ctid = any(array(select candidate_row from found_candidates))
  )
  select
    found_candidates.merchant_id,
    found_candidates.customer_id,
    jsonb_build_object(
      'merchant_transactions', top_counts.transaction_count,
      'transactions', found_candidates.transaction_count,
      'count_percent_rank', share_below(ranks.smaller_counts, top_counts.customer_count),
      'average_weight', found_candidates.average_weight,
      'weight_percent_rank', share_below(found_candidates.smaller_weights, found_candidates.weight_count)
    )
  from found_candidates
  inner join top_counts on top_counts.merchant_id = found_candidates.merchant_id
  cross join lateral (
    select coalesce(sum(histogram.customer_count), 0)::bigint as smaller_counts
    from merchant_count_histogram as histogram
    where
      histogram.merchant_id = found_candidates.merchant_id
      and histogram.transaction_count < found_candidates.transaction_count
  ) as ranks;
end;
$$;

comment on function bankpulse.detect_upgrade(jsonb) is
  'PatId1, UPGRADE: the candidates that the chunk brought into the top share, by the touched pairs and the histogram.';
