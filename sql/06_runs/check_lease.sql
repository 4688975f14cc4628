-- Heartbeat of the elected Y, called on the session that holds the election lock. The server ends that session when
-- no heartbeat comes, because its idle_session_timeout is short. Takes no lock, so that it never waits for a chunk.
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
  'Heartbeat of the elected Y; raises BP001 if the run no longer holds the lease.';
