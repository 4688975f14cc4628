-- Makes the lanes of a distributed database, see open_staging: schemas with staging tables that are distributed as the state
-- is. Only the tables' owner may call it, who needs the right to create schemas where one is missing. Safe to call again.
-- In: the number of lanes. Writes: the schemas bankpulse_lane_<number>. Out: the lanes that it made, one a row.
create or replace function bankpulse.make_lanes(p_lane_count integer) returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
set client_min_messages = warning
as $$
declare
  v_lane text;
  v_table text;
  v_is_new boolean;
begin
  -- one transaction creates schemas and distributes several tables only by one connection to each worker
  perform set_config('citus.multi_shard_modify_mode', 'sequential', true);

  for v_lane in select 'bankpulse_lane_' || number from generate_series(1, p_lane_count) as numbers (number) loop
    if to_regnamespace(v_lane) is null then
      execute format('create schema %I', v_lane);
    end if;
    perform create_staging_tables(v_lane);
    v_is_new := false;
    foreach v_table in array array['staged_rows', 'touched_pairs', 'merchant_additions'] loop
      if distribute_table(format('%I.%I', v_lane, v_table)::regclass, null) then
        -- they have no key, and a shard that is moved while chunks are applied needs one
        execute format('alter table %I.%I replica identity full', v_lane, v_table);
        v_is_new := true;
      end if;
    end loop;
    if v_is_new then
      return next v_lane;
    end if;
  end loop;
end;
$$;

comment on function bankpulse.make_lanes(integer) is
  'Makes the lanes of a distributed database; returns those that it made.';
