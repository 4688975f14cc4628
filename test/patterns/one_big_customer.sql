-- PatId5, DIVERSIFY: a merchant with at least 10 transactions, of which one customer has made at least half. A pattern
-- about merchants alone, with a detect function that remembers the largest number of transactions of any customer.
create or replace function bankpulse.match_one_big_customer(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language sql stable
begin atomic
  select
    totals.merchant_id,
    '',
    jsonb_build_object(
      'merchant_transactions', totals.transaction_count,
      'largest_share', round(totals.largest_count / totals.transaction_count, 4)
    )
  from (
    select merchant_id, sum(transaction_count) as transaction_count, max(transaction_count) as largest_count
    from bankpulse.customer_merchant_stats
    group by merchant_id
  ) as totals
  where
    totals.transaction_count >= bankpulse.threshold(p_thresholds, 'merchant_transactions_from')
    and totals.largest_count >= bankpulse.threshold(p_thresholds, 'largest_share_from') * totals.transaction_count;
end;

comment on function bankpulse.match_one_big_customer(jsonb) is
  'PatId5, DIVERSIFY: merchants of whose transactions one customer has made at least half.';

create table if not exists bankpulse.merchant_largest_counts (
  merchant_id text collate "C" primary key,
  largest_count bigint not null
);
comment on table bankpulse.merchant_largest_counts is 'Running state of PatId5: merchants that a chunk has touched.';
comment on column bankpulse.merchant_largest_counts.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_largest_counts.largest_count is 'The most transactions of any of its customers.';

create or replace view bankpulse.derived_merchant_largest_counts as
select merchant_id, max(transaction_count) as largest_count
from bankpulse.customer_merchant_stats
where merchant_id in (select merchant_id from bankpulse.merchant_largest_counts)
group by merchant_id;

comment on view bankpulse.derived_merchant_largest_counts is 'The rows that merchant_largest_counts must hold.';
comment on column bankpulse.derived_merchant_largest_counts.merchant_id is 'The merchant.';
comment on column bankpulse.derived_merchant_largest_counts.largest_count is 'The most transactions of any of its customers.';

create or replace function bankpulse.detect_one_big_customer(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
as $$
#variable_conflict use_column
begin
  -- a merchant that is not remembered is looked up whole; any other can only have got a greater count
  insert into merchant_largest_counts as largest (merchant_id, largest_count)
  select touched.merchant_id, counts.largest_count
  from touched_merchants as touched
  left join merchant_largest_counts as former on former.merchant_id = touched.merchant_id
  cross join lateral (
    select max(pairs.transaction_count) as largest_count
    from touched_pairs as pairs
    where former.merchant_id is not null and pairs.merchant_id = touched.merchant_id
    union all
    select max(stats.transaction_count)
    from customer_merchant_stats as stats
    where former.merchant_id is null and stats.merchant_id = touched.merchant_id
  ) as counts
  where counts.largest_count is not null
  on conflict (merchant_id) do update
  set largest_count = greatest(largest.largest_count, excluded.largest_count);

  return query
  select
    touched.merchant_id,
    '',
    jsonb_build_object(
      'merchant_transactions', touched.transaction_count,
      'largest_share', round(largest.largest_count::numeric / touched.transaction_count, 4)
    )
  from touched_merchants as touched
  inner join merchant_largest_counts as largest on largest.merchant_id = touched.merchant_id
  where
    touched.transaction_count >= threshold(p_thresholds, 'merchant_transactions_from')
    and largest.largest_count >= threshold(p_thresholds, 'largest_share_from') * touched.transaction_count;
end;
$$;

comment on function bankpulse.detect_one_big_customer(jsonb) is
  'PatId5, DIVERSIFY: the touched merchants of whose transactions one customer has made at least half.';

insert into bankpulse.patterns (
  pattern_id, action_type, description, match_function, detect_function, remembers, reason_template, thresholds
) values (
  'PatId5', 'DIVERSIFY', 'A merchant that depends on one customer.', 'match_one_big_customer',
  'detect_one_big_customer', '{merchant_largest_counts}',
  'One customer makes {largest_share%} of the {merchant_transactions} transactions at {merchant}.',
  '{"merchant_transactions_from": 10, "largest_share_from": 0.5}'
);
