-- Distributes the running state over the workers of Citus, and makes the lanes, see make_lanes. The ledger, the
-- detections, the outbox and all that is small stay on the coordinator. To be called in a transaction, while no
-- mechanism Y works. Only the tables' owner may call it. Safe to call again: it does what is not done yet, such as the table
-- of a new pattern.
-- In: the number of shards, and of lanes. Reads: patterns. Writes: where the state is stored; the lanes. Out: the tables and
-- lanes that it distributed, one a row.
create or replace function bankpulse.distribute_state(p_shard_count integer, p_lane_count integer) returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
set client_min_messages = warning
as $$
declare
  v_table text;
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

  return query select lane from make_lanes(p_lane_count) as lanes (lane);
end;
$$;

comment on function bankpulse.distribute_state(integer, integer) is
  'Distributes the running state over the workers of Citus, and makes the lanes; returns what it distributed.';
