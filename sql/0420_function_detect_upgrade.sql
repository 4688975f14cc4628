-- PatId1, UPGRADE, from what the chunk touched: customers in the top 10 % by transactions and the bottom 10 % by
-- weight, at a merchant with more than 50,000 transactions.
-- In: the pattern's thresholds. Reads: pg_temp.touched_pairs, merchant_stats, merchant_count_histogram.
-- Writes: upgrade_candidates. Out: the pairs that satisfy it now and have not been detected.
--
-- The low weights are a fixed set, the candidates. Of these, all whose count reaches the merchant's top share are
-- found at once, whether they were touched, their merchant has just passed 50,000, or the share's lower end has
-- fallen below them. What is found is no candidate any more.
create or replace function bankpulse.detect_upgrade(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
set search_path = bankpulse, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
  update upgrade_candidates as candidates
  set transaction_count = touched_pairs.transaction_count
  from pg_temp.touched_pairs
  where
    candidates.merchant_id = touched_pairs.merchant_id
    and candidates.customer_id = touched_pairs.customer_id;

  return query
  with busy_merchants as (
    select stats.merchant_id, stats.transaction_count, stats.customer_count
    from (select distinct merchant_id from pg_temp.touched_pairs) as touched_merchants
    inner join merchant_stats as stats on stats.merchant_id = touched_merchants.merchant_id
    where stats.transaction_count > (p_thresholds ->> 'merchant_transactions_above')::bigint
  ),
  ranked_counts as materialized (
    select
      histogram.merchant_id,
      histogram.transaction_count,
      busy_merchants.transaction_count as merchant_transactions,
      busy_merchants.customer_count,
      (
        sum(histogram.customer_count) over (partition by histogram.merchant_id order by histogram.transaction_count)
        - histogram.customer_count
      )::bigint as smaller_counts
    from busy_merchants
    inner join merchant_count_histogram as histogram on histogram.merchant_id = busy_merchants.merchant_id
  ),
  top_counts as (
    select ranked_counts.*
    from ranked_counts
    where
      smaller_counts >= (p_thresholds ->> 'count_percent_rank_from')::numeric * greatest(customer_count - 1, 1)
  ),
  found_candidates as (
    delete from upgrade_candidates as candidates
    using top_counts
    where
      candidates.merchant_id = top_counts.merchant_id
      and candidates.transaction_count = top_counts.transaction_count
    returning candidates.*, top_counts.merchant_transactions, top_counts.customer_count, top_counts.smaller_counts
  )
  select
    found_candidates.merchant_id,
    found_candidates.customer_id,
    jsonb_build_object(
      'merchant_transactions', found_candidates.merchant_transactions,
      'transactions', found_candidates.transaction_count,
      'count_percent_rank', share_below(found_candidates.smaller_counts, found_candidates.customer_count),
      'average_weight', found_candidates.average_weight,
      'weight_percent_rank', share_below(found_candidates.smaller_weights, found_candidates.weight_count)
    )
  from found_candidates;
end;
$$;

comment on function bankpulse.detect_upgrade(jsonb) is
  'PatId1, UPGRADE: what the chunk made true, from the touched pairs, the histogram and the candidates.';
