-- The dashboard's table of merchants. It is cheap, because it reads one row per merchant; the amounts, which cost
-- more, are in dashboard_merchant_amounts.
create or replace view bankpulse.dashboard_merchants as
select
  stats.merchant_id,
  stats.transaction_count,
  stats.customer_count,
  stats.female_count,
  stats.male_count,
  coalesce(totals.detection_count, 0) as detection_count
from bankpulse.merchant_stats as stats
left join bankpulse.merchant_totals as totals on totals.merchant_id = stats.merchant_id;

comment on view bankpulse.dashboard_merchants is 'Each merchant: transactions, customers, detections.';
comment on column bankpulse.dashboard_merchants.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_merchants.transaction_count is 'Transactions at the merchant.';
comment on column bankpulse.dashboard_merchants.customer_count is 'Distinct customers.';
comment on column bankpulse.dashboard_merchants.female_count is 'Distinct customers whose gender there is F.';
comment on column bankpulse.dashboard_merchants.male_count is 'Distinct customers whose gender there is M.';
comment on column bankpulse.dashboard_merchants.detection_count is 'Detections at the merchant.';
