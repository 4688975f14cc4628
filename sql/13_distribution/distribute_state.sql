-- Distributes the running state over the workers of Citus, and makes the lanes, see open_staging. The ledger, the
-- detections, the outbox and all that is small stay on the coordinator. To be called in a transaction, while no
-- mechanism Y works. Only the tables' owner may call it. Safe to call again: it does what is not done yet, such as the table
-- of a new pattern.
-- In: the number of shards, and of lanes. Reads: patterns. Writes: where the state is stored; the schemas
-- bankpulse_lane_<number>. Out: the tables and lanes that it distributed, one a row.
create or replace function bankpulse.distribute_state(p_shard_count integer, p_lane_count integer) returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
set client_min_messages = warning
as $$
declare
  v_table text;
  v_lane text;
  v_is_new boolean;
begin
  -- one transaction creates schemas and distributes several tables only by one connection to each worker
  perform set_config('citus.multi_shard_modify_mode', 'sequential', true);

  for v_table in
    select name
    from (
      -- the first decides the number of shards
      select name, place
      from unnest(array['customer_merchant_stats', 'merchant_stats', 'customer_weights', 'checkpoint_pairs'])
        with ordinality as names (name, place)
      union all
      select distinct name, 5
      from patterns
      cross join lateral unnest(remembers) as remembered (name)
      where (key_columns(to_regclass(format('bankpulse.%I', name))))[1] = 'merchant_id'
    ) as tables
    order by place, name
  loop
    if distribute_table(format('bankpulse.%I', v_table)::regclass, p_shard_count) then
      return next v_table;
    end if;
  end loop;

  for v_lane_no in 1..p_lane_count loop
    v_lane := 'bankpulse_lane_' || v_lane_no;
    execute format('create schema if not exists %I', v_lane);
    perform create_staging_tables(v_lane);
    v_is_new := false;
    foreach v_table in array array['staged_rows', 'touched_pairs', 'merchant_additions'] loop
      if distribute_table(format('%I.%I', v_lane, v_table)::regclass, p_shard_count) then
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

comment on function bankpulse.distribute_state(integer, integer) is
  'Distributes the running state over the workers of Citus, and makes the lanes; returns what it distributed.';
