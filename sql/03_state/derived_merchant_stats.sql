-- The rows that merchant_stats must hold, computed from customer_merchant_stats. It reads the whole state: a rebuild
-- fills the table from it, and the audit compares the table with it. The hot path has update_merchant_stats instead.
create or replace view bankpulse.derived_merchant_stats as
select
  merchant_id,
  sum(transaction_count)::bigint as transaction_count,
  count(*) as customer_count,
  count(*) filter (where gender = 'F') as female_count,
  count(*) filter (where gender = 'M') as male_count
from bankpulse.customer_merchant_stats
group by merchant_id;

comment on view bankpulse.derived_merchant_stats is 'The rows that merchant_stats must hold; reads the whole state.';
comment on column bankpulse.derived_merchant_stats.merchant_id is 'The merchant.';
comment on column bankpulse.derived_merchant_stats.transaction_count is 'Transactions at the merchant.';
comment on column bankpulse.derived_merchant_stats.customer_count is 'Distinct customers.';
comment on column bankpulse.derived_merchant_stats.female_count is 'Distinct customers whose gender at the merchant is F.';
comment on column bankpulse.derived_merchant_stats.male_count is 'Distinct customers whose gender at the merchant is M.';
