-- The rows that upgrade_candidates must hold, computed from customer_weights: every pair whose weight is in the
-- merchant's bottom share (10 % by default) and that PatId1 has not detected; no pair while PatId1 is disabled. It
-- ranks all weights: rebuild_upgrade_candidates fills the table from it, and the audit compares the table with it.
--
-- security_invoker: the caller needs the right to read each table, as if the query stood in the calling function.
create or replace view bankpulse.derived_upgrade_candidates with (security_invoker = true) as
-- materialized, so that the threshold is read once and not for each row
with upgrade as materialized (
  select bankpulse.threshold(thresholds, 'weight_percent_rank_up_to') as weight_percent_rank_up_to
  from bankpulse.patterns
  where pattern_id = 'PatId1' and is_enabled
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
select ranked_weights.*
from ranked_weights
cross join upgrade
where
  smaller_weights <= weight_percent_rank_up_to * greatest(weight_count - 1, 1)
  and not exists (
    select from bankpulse.detections
    where
      detections.merchant_id = ranked_weights.merchant_id
      and detections.pattern_id = 'PatId1'
      and detections.customer_id = ranked_weights.customer_id
  );

comment on view bankpulse.derived_upgrade_candidates is
  'The rows that upgrade_candidates must hold: the low weights without the pairs that PatId1 has detected.';
comment on column bankpulse.derived_upgrade_candidates.merchant_id is 'The merchant.';
comment on column bankpulse.derived_upgrade_candidates.customer_id is 'The customer.';
comment on column bankpulse.derived_upgrade_candidates.average_weight is 'The customer''s weight for the merchant.';
comment on column bankpulse.derived_upgrade_candidates.smaller_weights is 'Customers with a strictly smaller weight for the merchant.';
comment on column bankpulse.derived_upgrade_candidates.weight_count is 'Customers that have a weight for the merchant.';
