-- Sum and mean of the amounts at a merchant, added up from the state of its customers. That is cheap for one
-- merchant. For all merchants it reads the whole state, so the dashboard does that seldom, and only while it shows
-- the table.
create or replace view bankpulse.dashboard_merchant_amounts as
select
  merchant_id,
  sum(total_amount) as total_amount,
  sum(total_amount) / sum(transaction_count) as average_amount
from bankpulse.customer_merchant_stats
group by merchant_id;

comment on view bankpulse.dashboard_merchant_amounts is 'Sum and mean of the amounts at each merchant; reads the whole state.';
comment on column bankpulse.dashboard_merchant_amounts.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_merchant_amounts.total_amount is 'Exact sum of the amounts.';
comment on column bankpulse.dashboard_merchant_amounts.average_amount is 'Mean amount of a transaction.';
