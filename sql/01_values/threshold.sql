-- One threshold of a pattern.
-- In: the pattern's thresholds and the name of one. Out: its number, or an infinity, see limitless_thresholds. Raises
-- BP004 (threshold_missing) if it is missing, because a pattern that compares with null would never hold and never say
-- so. Reads no table.
create or replace function bankpulse.threshold(p_thresholds jsonb, p_name text) returns numeric
language plpgsql immutable parallel safe
set search_path = bankpulse, pg_temp
as $$
begin
  if p_thresholds ->> p_name is null then
    raise exception 'threshold "%" is missing', p_name using errcode = 'BP004';
  end if;
  return (p_thresholds ->> p_name)::numeric;
end;
$$;

comment on function bankpulse.threshold(jsonb, text) is 'The threshold of this name, or BP004 if it is missing.';
