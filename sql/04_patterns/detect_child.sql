-- PatId2, CHILD, among the pairs that the chunk touched: a customer with at least 80 transactions at a merchant and
-- an average of less than 23. Compared without division: total < 23 * count.
-- In: the pattern's thresholds. Reads: pg_temp.touched_pairs. Out: the touched pairs that satisfy it now.
create or replace function bankpulse.detect_child(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
-- a low estimate, so that the planner of the calling statement chooses index lookups into detections
rows 100
set search_path = bankpulse, pg_temp
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
  from pg_temp.touched_pairs
  where
    touched_pairs.transaction_count >= v_transactions_from
    and touched_pairs.total_amount < v_average_amount_below * touched_pairs.transaction_count;
end;
$$;

comment on function bankpulse.detect_child(jsonb) is
  'PatId2, CHILD: the touched pairs that satisfy it now.';
