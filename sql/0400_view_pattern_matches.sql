-- The declarative statement of every pattern: what holds now, straight from customer_merchant_stats and
-- customer_weights. It costs the whole state each time; the detect_* functions find the same from what a chunk
-- touched, and share no code with it: that they agree after every chunk is the project's central test.
--
-- percent_rank >= r is written smaller >= r * (count - 1), exact in decimals; greatest(count - 1, 1) gives a lone
-- customer the rank 0.
create or replace view bankpulse.pattern_matches as

-- PatId1, UPGRADE: at a merchant with more than 50,000 transactions, a customer in the top 10 % by transactions
-- and, among all customers the importance file lists for the merchant, in the bottom 10 % by weight
with ranked_counts as (
  select
    merchant_id,
    customer_id,
    transaction_count,
    rank() over (partition by merchant_id order by transaction_count) - 1 as smaller_counts,
    count(*) over (partition by merchant_id) as customer_count,
    sum(transaction_count) over (partition by merchant_id)::bigint as merchant_transactions
  from bankpulse.customer_merchant_stats
),
ranked_weights as (
  select
    merchant_id,
    customer_id,
    average_weight,
    rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
    count(*) over (partition by merchant_id) as weight_count
  from bankpulse.customer_weights
)
select
  patterns.pattern_id,
  ranked_counts.merchant_id,
  ranked_counts.customer_id,
  jsonb_build_object(
    'merchant_transactions', ranked_counts.merchant_transactions,
    'transactions', ranked_counts.transaction_count,
    'count_percent_rank', bankpulse.share_below(ranked_counts.smaller_counts, ranked_counts.customer_count),
    'average_weight', ranked_weights.average_weight,
    'weight_percent_rank', bankpulse.share_below(ranked_weights.smaller_weights, ranked_weights.weight_count)
  ) as reason
from bankpulse.patterns
cross join ranked_counts
inner join ranked_weights
  on
    ranked_weights.merchant_id = ranked_counts.merchant_id
    and ranked_weights.customer_id = ranked_counts.customer_id
where
  patterns.pattern_id = 'PatId1'
  and patterns.is_enabled
  and ranked_counts.merchant_transactions > bankpulse.threshold(patterns.thresholds, 'merchant_transactions_above')
  and ranked_counts.smaller_counts
  >= bankpulse.threshold(patterns.thresholds, 'count_percent_rank_from') * greatest(ranked_counts.customer_count - 1, 1)
  and ranked_weights.smaller_weights
  <= bankpulse.threshold(patterns.thresholds, 'weight_percent_rank_up_to') * greatest(ranked_weights.weight_count - 1, 1)

union all

-- PatId2, CHILD: a customer with at least 80 transactions at a merchant and an average of less than 23
select
  patterns.pattern_id,
  stats.merchant_id,
  stats.customer_id,
  jsonb_build_object(
    'transactions', stats.transaction_count,
    'total_amount', stats.total_amount,
    'average_amount', round(stats.total_amount / stats.transaction_count, 4)
  ) as reason
from bankpulse.patterns
cross join bankpulse.customer_merchant_stats as stats
where
  patterns.pattern_id = 'PatId2'
  and patterns.is_enabled
  and stats.transaction_count >= bankpulse.threshold(patterns.thresholds, 'transactions_from')
  and stats.total_amount < bankpulse.threshold(patterns.thresholds, 'average_amount_below') * stats.transaction_count

union all

-- PatId3, DEI-NEEDED: a merchant with more than 100 women among its customers, but fewer women than men
select
  patterns.pattern_id,
  stats.merchant_id,
  '' as customer_id,
  jsonb_build_object(
    'female_customers', count(*) filter (where stats.gender = 'F'),
    'male_customers', count(*) filter (where stats.gender = 'M')
  ) as reason
from bankpulse.patterns
cross join bankpulse.customer_merchant_stats as stats
where patterns.pattern_id = 'PatId3' and patterns.is_enabled
group by patterns.pattern_id, stats.merchant_id
having
  count(*) filter (where stats.gender = 'F') > bankpulse.threshold(patterns.thresholds, 'female_customers_above')
  and count(*) filter (where stats.gender = 'F') < count(*) filter (where stats.gender = 'M');

comment on view bankpulse.pattern_matches is
  'What satisfies a pattern now: the declarative statement of all patterns, straight from the stats.';
comment on column bankpulse.pattern_matches.pattern_id is 'The pattern.';
comment on column bankpulse.pattern_matches.merchant_id is 'The merchant.';
comment on column bankpulse.pattern_matches.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.pattern_matches.reason is 'The numbers that make it hold now.';
