-- The percentile ranks of each customer of a merchant, by transactions among the customers in the stream, and by
-- weight among the customers that the importance file lists. For people and checks; the pipeline does not read it.
-- refresh_views() renews it.
drop materialized view if exists bankpulse.customer_percentiles;
create materialized view bankpulse.customer_percentiles as
with ranked_counts as (
  select
    merchant_id,
    customer_id,
    transaction_count,
    percent_rank() over (partition by merchant_id order by transaction_count) as count_percent_rank
  from bankpulse.customer_merchant_stats
),
ranked_weights as (
  select
    merchant_id,
    customer_id,
    average_weight,
    percent_rank() over (partition by merchant_id order by average_weight) as weight_percent_rank
  from bankpulse.customer_weights
)
select
  merchant_id,
  customer_id,
  ranked_counts.transaction_count,
  ranked_counts.count_percent_rank,
  ranked_weights.average_weight,
  ranked_weights.weight_percent_rank
from ranked_counts
full join ranked_weights using (merchant_id, customer_id);

create unique index customer_percentiles_pair on bankpulse.customer_percentiles (merchant_id, customer_id);
comment on index bankpulse.customer_percentiles_pair is 'Finds a customer of a merchant.';
comment on materialized view bankpulse.customer_percentiles is
  'Percentile ranks of a merchant''s customers by transactions and by weight, as of the last refresh_views().';
comment on column bankpulse.customer_percentiles.merchant_id is 'The merchant.';
comment on column bankpulse.customer_percentiles.customer_id is 'The customer.';
comment on column bankpulse.customer_percentiles.transaction_count is 'Transactions there; null if there is none.';
comment on column bankpulse.customer_percentiles.count_percent_rank is
  'Share of the merchant''s other customers with strictly fewer transactions.';
comment on column bankpulse.customer_percentiles.average_weight is 'Weight for the merchant; null if the importance file has none.';
comment on column bankpulse.customer_percentiles.weight_percent_rank is
  'Share of the merchant''s other listed customers with a strictly smaller weight.';
