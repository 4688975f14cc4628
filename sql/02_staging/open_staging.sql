-- Gives the session staging tables of its own and lets it find them by their names: so one session can stage a chunk while
-- another applies the chunk before. A function that uses them has no search_path of its own; use_staging sets it.
-- On one PostgreSQL they are temporary tables. On a distributed database they are those of a lane, a schema whose tables
-- are distributed as the state is: the session takes the first lane that is free, and holds it by an advisory lock until
-- it ends. staged_records is temporary in both cases.
-- Writes: pg_temp.staged_records, and the tables of create_staging_tables in pg_temp; the session's search_path and
-- bankpulse.staging_lane. Safe to call again. Raises BP010 (no_lane_free); then it has ended the sessions that
-- wait in a lane for their client.
create or replace function bankpulse.open_staging() returns void
language plpgsql volatile
set client_min_messages = warning
as $$
declare
  v_lane text;
begin
  -- the careful way: records as they came, for accept_staged_records
  create temporary table if not exists staged_records (
    line_number bigint not null,
    problem text, -- why the record cannot be read; null if it can
    line text not null,
    customer_id text,
    gender text,
    merchant_id text,
    amount text -- of an importance file: the weight
  ) on commit delete rows;

  if bankpulse.staging_lane() is null and bankpulse.is_distributed() then
    for v_lane in select nspname from pg_catalog.pg_namespace where nspname ~ '^bankpulse_lane_\d+$' order by nspname loop
      -- 4242010 is arbitrary, the same in every version
      if pg_try_advisory_lock(4242010, hashtext(v_lane)) then
        perform set_config('bankpulse.staging_lane', v_lane, false);
        exit;
      end if;
    end loop;
    if bankpulse.staging_lane() is null then
      if v_lane is null then
        raise exception 'there are no lanes: npm run migrate makes them' using errcode = 'BP010';
      end if;
      -- A mechanism Y that hangs keeps its sessions, and so its lanes, for ever: what waits in a lane for its client is ended. That
      -- may be another session of the caller's own Y, which begins its term anew and then finds lanes.
      perform pg_terminate_backend(pid)
      from pg_catalog.pg_locks
      inner join pg_catalog.pg_stat_activity using (pid)
      where
        locktype = 'advisory' and classid = 4242010 and objsubid = 2 and granted and datname = current_database()
        and (state like 'idle%' or wait_event = 'ClientRead') and state_change < clock_timestamp() - interval '5 s'
        and pg_has_role(usesysid, 'usage');
      raise exception 'each lane is held by another session' using errcode = 'BP010';
    end if;
  end if;
  if bankpulse.staging_lane() is null then
    perform bankpulse.create_staging_tables('pg_temp');
  end if;
  perform set_config('search_path', bankpulse.staging_path(), false);
end;
$$;

comment on function bankpulse.open_staging() is
  'Gives the session staging tables: temporary ones, or on a distributed database those of a free lane.';
