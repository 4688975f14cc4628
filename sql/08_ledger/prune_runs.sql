-- Removes old runs that nothing refers to, at most p_limit. Only their owner may call it.
-- In: the time before which a run must have ended. Writes: runs. Out: how many it removed.
create or replace function bankpulse.prune_runs(p_before timestamptz, p_limit bigint) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_removed_count bigint;
begin
  delete from runs
  where run_id in (select prunable.run_id from prunable_runs(p_before) as prunable limit p_limit);
  get diagnostics v_removed_count = row_count;
  return v_removed_count;
end;
$$;

comment on function bankpulse.prune_runs(timestamptz, bigint) is
  'Removes old runs that nothing refers to, at most so many; returns how many.';
