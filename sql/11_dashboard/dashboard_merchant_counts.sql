-- The distribution of a merchant's customers by their number of transactions, in at most 60 bars of equal width, from
-- the histogram. A bar without customers has no row. Select one merchant.
create or replace view bankpulse.dashboard_merchant_counts as
with bar_widths as (
  select merchant_id, ceil(max(transaction_count) / 60.0)::bigint as bar_width
  from bankpulse.merchant_count_histogram
  group by merchant_id
)
select
  histogram.merchant_id,
  (histogram.transaction_count - 1) / bar_widths.bar_width * bar_widths.bar_width + 1 as from_count,
  ((histogram.transaction_count - 1) / bar_widths.bar_width + 1) * bar_widths.bar_width as to_count,
  sum(histogram.customer_count)::bigint as customer_count
from bankpulse.merchant_count_histogram as histogram
inner join bar_widths on bar_widths.merchant_id = histogram.merchant_id
where histogram.customer_count > 0
group by histogram.merchant_id, bar_widths.bar_width, (histogram.transaction_count - 1) / bar_widths.bar_width;

comment on view bankpulse.dashboard_merchant_counts is
  'Distribution of a merchant''s customers by their number of transactions, in at most 60 bars.';
comment on column bankpulse.dashboard_merchant_counts.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_merchant_counts.from_count is 'Least number of transactions in the bar.';
comment on column bankpulse.dashboard_merchant_counts.to_count is 'Greatest number of transactions in the bar.';
comment on column bankpulse.dashboard_merchant_counts.customer_count is 'Customers in the bar.';
