-- What would hold now if a pattern had other thresholds, compared with what holds now. It changes nothing, and says
-- nothing about earlier chunks: npm run backtest does.
-- In: the pattern, enabled or not; thresholds, an object; those not named keep their value. Reads: patterns, and twice
-- what the match function reads, the whole state. Out: change (added, removed, kept), merchant, customer, and the
-- numbers, which are the same with any thresholds; in the order of these. Raises BP007 (no_such_rule), BP005
-- (pattern_failed).
create or replace function bankpulse.what_if(p_pattern_id text, p_thresholds jsonb)
returns table (change text, merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_thresholds constant jsonb := changed_thresholds(p_pattern_id, p_thresholds);
  v_pattern patterns;
begin
  select * into v_pattern from patterns where pattern_id = p_pattern_id;
  return query
  select
    case when present.merchant_id is null then 'added' when other.merchant_id is null then 'removed' else 'kept' end
    as change,
    coalesce(other.merchant_id, present.merchant_id) collate "C" as merchant_id,
    coalesce(other.customer_id, present.customer_id) collate "C" as customer_id,
    coalesce(other.reason, present.reason)
  from matches_of(v_pattern, v_thresholds) as other
  full join matches_of(v_pattern, v_pattern.thresholds) as present
    on present.merchant_id = other.merchant_id and present.customer_id = other.customer_id
  order by 1, 2, 3;
end;
$$;

comment on function bankpulse.what_if(text, jsonb) is
  'What other thresholds of a pattern would add, remove and keep among what holds now.';
