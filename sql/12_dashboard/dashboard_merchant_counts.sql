-- The distribution of a merchant's customers by their number of transactions, in at most 60 bars of equal width. A bar
-- without customers has no row. Select one merchant: the view then reads the state of its customers only.
create or replace view bankpulse.dashboard_merchant_counts as
select
  merchant_id,
  (transaction_count - 1) / bar_width * bar_width + 1 as from_count,
  ((transaction_count - 1) / bar_width + 1) * bar_width as to_count,
  count(*) as customer_count
from (
  select
    merchant_id,
    transaction_count,
    ceil(max(transaction_count) over (partition by merchant_id) / 60.0)::bigint as bar_width
  from bankpulse.customer_merchant_stats
) as customers
group by merchant_id, bar_width, (transaction_count - 1) / bar_width;

comment on view bankpulse.dashboard_merchant_counts is
  'Distribution of a merchant''s customers by their number of transactions, in at most 60 bars.';
comment on column bankpulse.dashboard_merchant_counts.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_merchant_counts.from_count is 'Least number of transactions in the bar.';
comment on column bankpulse.dashboard_merchant_counts.to_count is 'Greatest number of transactions in the bar.';
comment on column bankpulse.dashboard_merchant_counts.customer_count is 'Customers in the bar.';
