-- A customer at each merchant: transactions, amounts, and the ranks among the merchant's customers. Select one
-- customer: the view then looks up that customer at every merchant and counts each rank.
create or replace view bankpulse.dashboard_customers as
select
  stats.customer_id,
  stats.merchant_id,
  stats.gender,
  stats.transaction_count,
  stats.total_amount,
  stats.total_amount / stats.transaction_count as average_amount,
  (
    select
      bankpulse.share_below(
        count(*) filter (where others.transaction_count < stats.transaction_count),
        count(*)
      )
    from bankpulse.customer_merchant_stats as others
    where others.merchant_id = stats.merchant_id
  ) as count_percent_rank,
  weights.average_weight,
  case
    when weights.average_weight is not null then (
      select
        bankpulse.share_below(
          count(*) filter (where others.average_weight < weights.average_weight),
          count(*)
        )
      from bankpulse.customer_weights as others
      where others.merchant_id = stats.merchant_id
    )
  end as weight_percent_rank
from bankpulse.merchant_stats as merchants
inner join bankpulse.customer_merchant_stats as stats on stats.merchant_id = merchants.merchant_id
left join bankpulse.customer_weights as weights
  on weights.merchant_id = stats.merchant_id and weights.customer_id = stats.customer_id;

comment on view bankpulse.dashboard_customers is 'A customer at each merchant: transactions, amounts, ranks.';
comment on column bankpulse.dashboard_customers.customer_id is 'The customer.';
comment on column bankpulse.dashboard_customers.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_customers.gender is 'Gender on the customer''s first transaction there.';
comment on column bankpulse.dashboard_customers.transaction_count is 'Transactions there.';
comment on column bankpulse.dashboard_customers.total_amount is 'Exact sum of their amounts.';
comment on column bankpulse.dashboard_customers.average_amount is 'Their mean.';
comment on column bankpulse.dashboard_customers.count_percent_rank is 'Share of the merchant''s other customers with strictly fewer transactions.';
comment on column bankpulse.dashboard_customers.average_weight is 'Weight for the merchant; null if the importance file has none.';
comment on column bankpulse.dashboard_customers.weight_percent_rank is 'Share of the merchant''s other listed customers with a strictly smaller weight.';
