-- The fence. Locks the lease until the transaction ends and refuses a run that does not hold it, so a process that
-- was replaced while it hung changes nothing when it goes on.
-- In: the caller's run. Reads and locks: pipeline_lease. Raises BP001 (lease_lost).
create or replace function bankpulse.hold_lease(p_run_id bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform from pipeline_lease where run_id = p_run_id for update;
  if not found then
    raise exception 'run % does not hold the lease: another one has taken over', p_run_id using errcode = 'BP001';
  end if;
  -- A holder that hangs must not block the next: the server ends its session after 1 s idle.
  perform set_config('idle_in_transaction_session_timeout', '1000ms', true);
end;
$$;

comment on function bankpulse.hold_lease(bigint) is
  'Locks the lease, or raises BP001 if the run does not hold it.';
