-- Elects the one Y that works: whoever gets the session's advisory lock takes the lease. The lock is freed when the
-- session ends; safety does not depend on it but on hold_lease.
-- In: the caller's run. Writes: pipeline_lease. Out: whether the caller is elected.
create or replace function bankpulse.try_take_over(p_run_id bigint) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  -- 4242001: an arbitrary number, the same in every version, that nothing else in this database locks
  if not pg_try_advisory_lock(4242001) then
    return false;
  end if;
  update pipeline_lease set run_id = p_run_id, taken_at = clock_timestamp();
  return true;
end;
$$;

comment on function bankpulse.try_take_over(bigint) is
  'Tries to become the one working Y: takes the session lock and the lease. Returns whether it did.';
