-- Prepares a scratch database, after open_audit and the copy of the audited tables, for a backtest: only the pattern in
-- question is judged, enabled or not, by its changed thresholds.
-- In: the pattern; thresholds, an object; those not named keep their value. Writes: patterns. Out: all thresholds of the
-- pattern. Raises BP007 (no_such_rule).
create or replace function bankpulse.open_backtest(p_pattern_id text, p_thresholds jsonb) returns jsonb
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_thresholds constant jsonb := changed_thresholds(p_pattern_id, p_thresholds);
begin
  delete from patterns where pattern_id <> p_pattern_id;
  update patterns set thresholds = v_thresholds, is_enabled = true;
  return v_thresholds;
end;
$$;

comment on function bankpulse.open_backtest(text, jsonb) is
  'Leaves one pattern in a scratch database, with changed thresholds; returns them.';
