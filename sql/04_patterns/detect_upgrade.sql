-- PatId1, UPGRADE, from what the chunk touched: customers in the top 10 % by transactions and the bottom 10 % by
-- weight, at a merchant with more than 50,000 transactions.
-- In: the pattern's thresholds. Reads: pg_temp.touched_pairs, touched_merchants, merchant_count_histogram,
-- customer_merchant_stats. Writes: upgrade_candidates, merchant_top_counts. Out: the pairs that satisfy it now and
-- were not found before.
--
-- The low weights are a fixed set, the candidates; what is found is no candidate any more. So, at a merchant whose
-- top_count, the lower end of the top share, is noted, every candidate that is still to be found was below it after the
-- chunk before. Either the chunk lifted it to the new lower end, or the lower end has fallen to it. The latter is rare;
-- so is a merchant without a noted top_count: one that has just passed 50,000, whose customers all tied, or any after a
-- change of rules or a rebuild. Then all its candidates are looked up.
create or replace function bankpulse.detect_upgrade(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
-- few rows expected: keeps the planner of the calling statement on index lookups into detections
rows 100
set search_path = bankpulse, pg_temp
-- planned anew each time, for tables as large as they are by then; they are expected to be in memory
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
      -- read from the smallest number on, and no further than to the one that is looked for
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
  -- offset 0, here and below, has each row looked up: the planner cannot know how few there are, and might read all
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
  -- found again by their ctid, as in write_touched_pairs: under the lease nobody moves them
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
  'PatId1, UPGRADE: what the chunk made true, from the touched pairs, the histogram and the candidates.';
