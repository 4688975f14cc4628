-- Heartbeat of the elected Y, on the session that holds the election lock and whose idle_session_timeout is short: if
-- it is silent, the server ends it. Locks nothing, so that it never waits for a chunk.
-- In: the caller's run. Reads: pipeline_lease. Raises BP001 (lease_lost).
create or replace function bankpulse.check_lease(p_run_id bigint) returns void
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  if not exists (select from pipeline_lease where run_id = p_run_id) then
    raise exception 'run % does not hold the lease: another one has taken over', p_run_id using errcode = 'BP001';
  end if;
end;
$$;

comment on function bankpulse.check_lease(bigint) is
  'Shows that the elected Y lives; raises BP001 if it does not hold the lease any more.';
