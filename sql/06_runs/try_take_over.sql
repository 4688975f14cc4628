-- Elects the one Y that works: the session that gets the advisory lock takes the lease. PostgreSQL frees the lock
-- when the session ends. Safety depends on hold_lease, not on this lock.
-- In: the caller's run. Writes: pipeline_lease. Out: whether the caller is elected.
create or replace function bankpulse.try_take_over(p_run_id bigint) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  -- 4242001 is arbitrary, the same in every version, and no other lock in this database has it
  if not pg_try_advisory_lock(4242001) then
    return false;
  end if;
  update pipeline_lease set run_id = p_run_id, taken_at = clock_timestamp();
  return true;
end;
$$;

comment on function bankpulse.try_take_over(bigint) is
  'Tries to become the one working Y: takes the session lock and the lease. Returns whether it did.';
