-- PatId2, CHILD: a customer with at least 80 transactions at a merchant and an average amount of less than 23.

-- Its meaning. Compared without division, exactly: total < 23 * count.
create or replace function bankpulse.match_child(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language sql stable
begin atomic
  select
    stats.merchant_id,
    stats.customer_id,
    jsonb_build_object(
      'transactions', stats.transaction_count,
      'total_amount', stats.total_amount,
      'average_amount', round(stats.total_amount / stats.transaction_count, 4)
    )
  from bankpulse.customer_merchant_stats as stats
  where
    stats.transaction_count >= bankpulse.threshold(p_thresholds, 'transactions_from')
    and stats.total_amount < bankpulse.threshold(p_thresholds, 'average_amount_below') * stats.transaction_count;
end;

comment on function bankpulse.match_child(jsonb) is
  'PatId2, CHILD: customers with at least 80 transactions at a merchant and an average of less than 23.';

-- Its speed: the same among the pairs that the chunk touched. A pair changes only when a chunk touches it.
create or replace function bankpulse.detect_child(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
as $$
declare
  -- a whole number, because comparing a bigint with a numeric is slower
  v_transactions_from constant bigint := ceil(threshold(p_thresholds, 'transactions_from'));
  v_average_amount_below constant numeric := threshold(p_thresholds, 'average_amount_below');
begin
  return query
  select
    touched_pairs.merchant_id,
    touched_pairs.customer_id,
    jsonb_build_object(
      'transactions', touched_pairs.transaction_count,
      'total_amount', touched_pairs.total_amount,
      'average_amount', round(touched_pairs.total_amount / touched_pairs.transaction_count, 4)
    )
  from touched_pairs
  where
    touched_pairs.transaction_count >= v_transactions_from
    and touched_pairs.total_amount < v_average_amount_below * touched_pairs.transaction_count;
end;
$$;

comment on function bankpulse.detect_child(jsonb) is 'PatId2, CHILD: the touched pairs that satisfy it now.';

-- Its row and its sentence. Thresholds and is_enabled are the operator's: where the row exists, they stay.
insert into bankpulse.patterns (
  pattern_id, action_type, description, match_function, detect_function, reason_template, thresholds
) values (
  'PatId2', 'CHILD', 'A customer who pays a merchant often, and little on average.', 'match_child', 'detect_child',
  'Customer {customer} has paid {merchant} often, but little: {transactions} times, {average_amount} on average, {total_amount} in all.',
  '{"transactions_from": 80, "average_amount_below": 23}'
)
on conflict (pattern_id) do update
set
  action_type = excluded.action_type,
  description = excluded.description,
  match_function = excluded.match_function,
  detect_function = excluded.detect_function,
  reason_template = excluded.reason_template;
