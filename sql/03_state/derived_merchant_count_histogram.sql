-- The rows that merchant_count_histogram must hold, computed from customer_merchant_stats. It reads the whole state:
-- a rebuild fills the table from it, and the audit compares the table with it. The hot path has
-- update_count_histogram instead.
create or replace view bankpulse.derived_merchant_count_histogram as
select merchant_id, transaction_count, count(*) as customer_count
from bankpulse.customer_merchant_stats
group by merchant_id, transaction_count;

comment on view bankpulse.derived_merchant_count_histogram is
  'The rows that merchant_count_histogram must hold; reads the whole state.';
comment on column bankpulse.derived_merchant_count_histogram.merchant_id is 'The merchant.';
comment on column bankpulse.derived_merchant_count_histogram.transaction_count is 'A number of transactions.';
comment on column bankpulse.derived_merchant_count_histogram.customer_count is 'Customers with exactly that many.';
