-- Waits until each worker has committed what the coordinator has: Citus commits in two phases, and a worker may commit
-- a moment later, or, after a crash, when Citus finds the rest (citus.recover_2pc_interval). The caller holds the lease's row,
-- so that no new transaction writes meanwhile; then one state is read everywhere.
-- Reads: pg_prepared_xacts on each server. Raises BP011 (workers_unsettled) if a server does not answer, or has not
-- committed after 5 minutes.
create or replace function bankpulse.await_workers() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_until constant timestamptz := clock_timestamp() + interval '5 minutes';
  v_pending_count bigint;
  v_failure text;
begin
  loop
    select
      sum(case when success then result::bigint end),
      string_agg(format('node %s: %s', nodeid, result), '; ') filter (where not success)
    into v_pending_count, v_failure
    -- by connections of the caller's role, one to the coordinator, too
    from run_command_on_all_nodes(
      $sql$select count(*) from pg_prepared_xacts where database = current_database() and gid like 'citus\_%'$sql$
    );
    if v_failure is not null then
      raise exception 'not every server says what it has committed: %', v_failure using errcode = 'BP011';
    end if;
    exit when v_pending_count = 0;
    if clock_timestamp() > v_until then
      raise exception '% transactions are prepared and not committed on the workers', v_pending_count using errcode = 'BP011';
    end if;
    perform pg_sleep(0.2);
  end loop;
end;
$$;

comment on function bankpulse.await_workers() is 'Waits until each worker has committed what the coordinator has.';
