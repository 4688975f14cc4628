-- The declarative statement of every pattern: all pairs and merchants that satisfy one now, computed from
-- customer_merchant_stats, customer_weights and the thresholds. It reads the whole state each time. The detect_*
-- functions find the same from the pairs that a chunk touched, and share no code with it: that both agree after every
-- chunk is the project's central test.
--
-- percent_rank >= r is written smaller >= r * (count - 1), which is exact in decimals; greatest(count - 1, 1) gives a
-- merchant's only customer the rank 0.
create or replace view bankpulse.pattern_matches as
-- materialized, so that each threshold is read once and not for each row
with upgrade as materialized (
  select
    bankpulse.threshold(thresholds, 'merchant_transactions_above') as merchant_transactions_above,
    bankpulse.threshold(thresholds, 'count_percent_rank_from') as count_percent_rank_from,
    bankpulse.threshold(thresholds, 'weight_percent_rank_up_to') as weight_percent_rank_up_to
  from bankpulse.patterns
  where pattern_id = 'PatId1' and is_enabled
),
child as materialized (
  select
    bankpulse.threshold(thresholds, 'transactions_from') as transactions_from,
    bankpulse.threshold(thresholds, 'average_amount_below') as average_amount_below
  from bankpulse.patterns
  where pattern_id = 'PatId2' and is_enabled
),
dei_needed as materialized (
  select bankpulse.threshold(thresholds, 'female_customers_above') as female_customers_above
  from bankpulse.patterns
  where pattern_id = 'PatId3' and is_enabled
),
ranked_counts as (
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

-- PatId1, UPGRADE: at a merchant with more than 50,000 transactions, a customer in the top 10 % by transactions
-- and, among all customers the importance file lists for the merchant, in the bottom 10 % by weight
select
  'PatId1'::text collate "C" as pattern_id,
  ranked_counts.merchant_id,
  ranked_counts.customer_id,
  jsonb_build_object(
    'merchant_transactions', ranked_counts.merchant_transactions,
    'transactions', ranked_counts.transaction_count,
    'count_percent_rank', bankpulse.share_below(ranked_counts.smaller_counts, ranked_counts.customer_count),
    'average_weight', ranked_weights.average_weight,
    'weight_percent_rank', bankpulse.share_below(ranked_weights.smaller_weights, ranked_weights.weight_count)
  ) as reason
from upgrade
cross join ranked_counts
inner join ranked_weights
  on
    ranked_weights.merchant_id = ranked_counts.merchant_id
    and ranked_weights.customer_id = ranked_counts.customer_id
where
  ranked_counts.merchant_transactions > upgrade.merchant_transactions_above
  and ranked_counts.smaller_counts >= upgrade.count_percent_rank_from * greatest(ranked_counts.customer_count - 1, 1)
  and ranked_weights.smaller_weights
  <= upgrade.weight_percent_rank_up_to * greatest(ranked_weights.weight_count - 1, 1)

union all

-- PatId2, CHILD: a customer with at least 80 transactions at a merchant and an average of less than 23
select
  'PatId2',
  stats.merchant_id,
  stats.customer_id,
  jsonb_build_object(
    'transactions', stats.transaction_count,
    'total_amount', stats.total_amount,
    'average_amount', round(stats.total_amount / stats.transaction_count, 4)
  ) as reason
from child
cross join bankpulse.customer_merchant_stats as stats
where
  stats.transaction_count >= child.transactions_from
  and stats.total_amount < child.average_amount_below * stats.transaction_count

union all

-- PatId3, DEI-NEEDED: a merchant with more than 100 women among its customers, but fewer women than men
select
  'PatId3',
  stats.merchant_id,
  '' as customer_id,
  jsonb_build_object(
    'female_customers', count(*) filter (where stats.gender = 'F'),
    'male_customers', count(*) filter (where stats.gender = 'M')
  ) as reason
from dei_needed
cross join bankpulse.customer_merchant_stats as stats
group by stats.merchant_id, dei_needed.female_customers_above
having
  count(*) filter (where stats.gender = 'F') > dei_needed.female_customers_above
  and count(*) filter (where stats.gender = 'F') < count(*) filter (where stats.gender = 'M');

comment on view bankpulse.pattern_matches is
  'All that satisfies a pattern now, computed from the stats and weights: the declarative statement of all patterns.';
comment on column bankpulse.pattern_matches.pattern_id is 'The pattern.';
comment on column bankpulse.pattern_matches.merchant_id is 'The merchant.';
comment on column bankpulse.pattern_matches.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.pattern_matches.reason is 'The numbers that make it hold now.';
