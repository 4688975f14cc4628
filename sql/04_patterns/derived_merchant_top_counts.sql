-- The rows that merchant_top_counts must hold for the merchants it has, computed from customer_merchant_stats: for
-- each, the smallest number of transactions in the top share (10 % by default) of its customers. The audit compares
-- the table with it. The hot path reads the histogram instead, see detect_upgrade.
create or replace view bankpulse.derived_merchant_top_counts as
-- materialized, so that the threshold is read once and not for each row
with upgrade as materialized (
  select bankpulse.threshold(thresholds, 'count_percent_rank_from') as count_percent_rank_from
  from bankpulse.patterns
  where pattern_id = 'PatId1' and is_enabled
),
ranked_counts as (
  select
    merchant_id,
    transaction_count,
    rank() over (partition by merchant_id order by transaction_count) - 1 as smaller_counts,
    count(*) over (partition by merchant_id) as customer_count
  from bankpulse.customer_merchant_stats
  where merchant_id in (select merchant_id from bankpulse.merchant_top_counts)
)
select
  merchant_id,
  min(transaction_count) filter (
    where smaller_counts >= count_percent_rank_from * greatest(customer_count - 1, 1)
  ) as top_count
from ranked_counts
cross join upgrade
group by merchant_id;

comment on view bankpulse.derived_merchant_top_counts is 'The rows that merchant_top_counts must hold for the merchants it has.';
comment on column bankpulse.derived_merchant_top_counts.merchant_id is 'A merchant with a row in merchant_top_counts.';
comment on column bankpulse.derived_merchant_top_counts.top_count is
  'The smallest number of transactions in the top share; null if the share is empty, because too many customers tie.';
