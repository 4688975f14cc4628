-- Number, sum and mean of each customer's transactions at a merchant. For people and checks; the pipeline does not
-- read it. refresh_views() renews it.
drop materialized view if exists bankpulse.customer_averages;
create materialized view bankpulse.customer_averages as
select
  merchant_id,
  customer_id,
  transaction_count,
  total_amount,
  total_amount / transaction_count as average_amount
from bankpulse.customer_merchant_stats;

create unique index customer_averages_pair on bankpulse.customer_averages (merchant_id, customer_id);
comment on index bankpulse.customer_averages_pair is 'Finds a customer of a merchant.';
comment on materialized view bankpulse.customer_averages is
  'Count, sum and mean of a customer''s transactions at a merchant, as of the last refresh_views().';
comment on column bankpulse.customer_averages.merchant_id is 'The merchant.';
comment on column bankpulse.customer_averages.customer_id is 'The customer.';
comment on column bankpulse.customer_averages.transaction_count is 'Transactions of the customer at the merchant.';
comment on column bankpulse.customer_averages.total_amount is 'Exact sum of their amounts.';
comment on column bankpulse.customer_averages.average_amount is 'Their mean.';
