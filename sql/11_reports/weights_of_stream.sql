-- How many of the first pairs of merchant and customer in the stream have a weight, and how many of their names the
-- importance file knows at all: next to none, if it is the file of another stream, or has its names in other quotes. Then
-- a pattern that compares weights finds nothing. Of the first 10,000 pairs of the table, so that it costs little at any
-- size; known_merchants and known_customers read the weights once: select them only if they are wanted.
create or replace view bankpulse.weights_of_stream as
with sample as (
  select merchant_id, customer_id from bankpulse.customer_merchant_stats limit 10000
)
select
  (select count(*) from sample) as pair_count,
  (
    select count(*)
    from sample
    inner join bankpulse.customer_weights as weights
      on weights.merchant_id = sample.merchant_id and weights.customer_id = sample.customer_id
  ) as weighted_count,
  (
    select count(*)
    from (select distinct merchant_id from sample) as merchants
    where merchant_id in (select merchant_id from bankpulse.customer_weights)
  ) as known_merchants,
  (
    select count(*)
    from (select distinct customer_id from sample) as customers
    where customer_id in (select customer_id from bankpulse.customer_weights)
  ) as known_customers;

comment on view bankpulse.weights_of_stream is 'How many of the first pairs of merchant and customer in the stream have a weight.';
comment on column bankpulse.weights_of_stream.pair_count is 'The pairs looked at: the first of the state, at most 10,000.';
comment on column bankpulse.weights_of_stream.weighted_count is 'Those of them that the importance file gives a weight.';
comment on column bankpulse.weights_of_stream.known_merchants is 'Merchants of these pairs that the importance file has.';
comment on column bankpulse.weights_of_stream.known_customers is 'Customers of these pairs that the importance file has, at any merchant.';
