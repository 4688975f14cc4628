-- The dashboard's table of merchants. It is cheap, because it reads one row per merchant; the amounts, which cost
-- more, are in dashboard_merchant_amounts. A missing threshold gives null and no error, so that the page still shows
-- the rest.
create or replace view bankpulse.dashboard_merchants as
select
  stats.merchant_id,
  stats.transaction_count,
  stats.customer_count,
  stats.female_count,
  stats.male_count,
  upgrade.merchant_transactions_above,
  greatest(floor(upgrade.merchant_transactions_above) + 1 - stats.transaction_count, 0) as transactions_to_go,
  coalesce(found.detection_count, 0) as detection_count
from bankpulse.merchant_stats as stats
left join (
  select (thresholds ->> 'merchant_transactions_above')::numeric as merchant_transactions_above
  from bankpulse.patterns
  where pattern_id = 'PatId1'
) as upgrade on true
left join (
  select merchant_id, count(*) as detection_count
  from bankpulse.detections
  group by merchant_id
) as found on found.merchant_id = stats.merchant_id;

comment on view bankpulse.dashboard_merchants is 'Each merchant: transactions, customers, distance to the threshold of PatId1, detections.';
comment on column bankpulse.dashboard_merchants.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_merchants.transaction_count is 'Transactions at the merchant.';
comment on column bankpulse.dashboard_merchants.customer_count is 'Distinct customers.';
comment on column bankpulse.dashboard_merchants.female_count is 'Distinct customers whose gender there is F.';
comment on column bankpulse.dashboard_merchants.male_count is 'Distinct customers whose gender there is M.';
comment on column bankpulse.dashboard_merchants.merchant_transactions_above is 'The threshold of PatId1 (50,000 by default), which a merchant must pass.';
comment on column bankpulse.dashboard_merchants.transactions_to_go is 'Number of transactions that are missing to pass that threshold; 0 if it has passed.';
comment on column bankpulse.dashboard_merchants.detection_count is 'Detections at the merchant.';
