-- The lower end of the top share of a merchant's customers by transactions (the top 10 % by PatId1's default
-- threshold), for merchants of every size: the smallest number of transactions whose percent_rank is at least the
-- threshold. Select one merchant: the view then reads the histogram of that merchant only.
create or replace view bankpulse.merchant_tops as
with ranked_counts as (
  select
    merchant_id,
    transaction_count,
    customer_count,
    sum(customer_count) over (partition by merchant_id order by transaction_count) - customer_count as smaller_counts,
    sum(customer_count) over (partition by merchant_id) as all_customers
  from bankpulse.merchant_count_histogram
  where customer_count > 0
),
marked_counts as (
  select
    ranked_counts.*,
    upgrade.count_percent_rank_from,
    smaller_counts >= upgrade.count_percent_rank_from * greatest(all_customers - 1, 1) as is_in_top_share
  from ranked_counts
  cross join (
    select (thresholds ->> 'count_percent_rank_from')::numeric as count_percent_rank_from
    from bankpulse.patterns
    where pattern_id = 'PatId1'
  ) as upgrade
)
select
  merchant_id,
  count_percent_rank_from,
  min(transaction_count) filter (where is_in_top_share) as top_count,
  coalesce(sum(customer_count) filter (where is_in_top_share), 0)::bigint as top_customer_count
from marked_counts
group by merchant_id, count_percent_rank_from;

comment on view bankpulse.merchant_tops is 'The lower end of the top share of a merchant''s customers by transactions.';
comment on column bankpulse.merchant_tops.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_tops.count_percent_rank_from is 'The threshold of PatId1: 0.9 is the top 10 %.';
comment on column bankpulse.merchant_tops.top_count is 'The smallest number of transactions in the top share; null if the share is empty, because too many customers tie.';
comment on column bankpulse.merchant_tops.top_customer_count is 'Customers in the top share.';
