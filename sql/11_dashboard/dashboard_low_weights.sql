-- The customers with the lowest weights for a merchant (the bottom 10 % by PatId1's default threshold), their number
-- of transactions, and whether PatId1 has detected them. Select one merchant: the view then ranks the weights of that
-- merchant only.
create or replace view bankpulse.dashboard_low_weights as
with ranked_weights as (
  select
    merchant_id,
    customer_id,
    average_weight,
    rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
    count(*) over (partition by merchant_id) as weight_count
  from bankpulse.customer_weights
)
select
  ranked_weights.merchant_id,
  ranked_weights.customer_id,
  ranked_weights.average_weight,
  bankpulse.share_below(ranked_weights.smaller_weights, ranked_weights.weight_count) as weight_percent_rank,
  coalesce(stats.transaction_count, 0) as transaction_count,
  coalesce(stats.transaction_count >= tops.top_count, false) as is_in_top_share,
  found.chunk_no as detected_in_chunk
from ranked_weights
cross join (
  select (thresholds ->> 'weight_percent_rank_up_to')::numeric as weight_percent_rank_up_to
  from bankpulse.patterns
  where pattern_id = 'PatId1'
) as upgrade
left join bankpulse.customer_merchant_stats as stats
  on stats.merchant_id = ranked_weights.merchant_id and stats.customer_id = ranked_weights.customer_id
left join bankpulse.merchant_tops as tops on tops.merchant_id = ranked_weights.merchant_id
left join bankpulse.detections as found
  on
    found.merchant_id = ranked_weights.merchant_id
    and found.customer_id = ranked_weights.customer_id
    and found.pattern_id = 'PatId1'
where
  ranked_weights.smaller_weights <= upgrade.weight_percent_rank_up_to * greatest(ranked_weights.weight_count - 1, 1);

comment on view bankpulse.dashboard_low_weights is 'The customers with the lowest weights for a merchant.';
comment on column bankpulse.dashboard_low_weights.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_low_weights.customer_id is 'The customer.';
comment on column bankpulse.dashboard_low_weights.average_weight is 'Weight for the merchant.';
comment on column bankpulse.dashboard_low_weights.weight_percent_rank is 'Share of the merchant''s other listed customers with a strictly smaller weight.';
comment on column bankpulse.dashboard_low_weights.transaction_count is 'Transactions there; 0 if there is none.';
comment on column bankpulse.dashboard_low_weights.is_in_top_share is 'Whether that is in the top share of the merchant''s customers.';
comment on column bankpulse.dashboard_low_weights.detected_in_chunk is 'The chunk after which PatId1 detected the customer there; null if it has not.';
