-- Distributes a table by merchant over the workers, with the rows that it holds; all tables that are distributed have the
-- same shards, so that a merchant's rows are on one worker, and a chunk is applied there.
-- In: the table; the number of shards, which only the first table decides. Reads: pg_dist_partition. Out: whether it was
-- distributed now; false if it was before.
create or replace function bankpulse.distribute_table(p_table regclass, p_shard_count integer) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  if exists (select from pg_dist_partition where logicalrelid = p_table) then
    return false;
  end if;
  if exists (select from pg_dist_partition where logicalrelid = 'customer_merchant_stats'::regclass) then
    perform create_distributed_table(p_table, 'merchant_id', colocate_with => 'bankpulse.customer_merchant_stats');
  else
    perform create_distributed_table(p_table, 'merchant_id', shard_count => p_shard_count, colocate_with => 'none');
  end if;
  -- the rows are on the workers now, and Citus leaves them here, too
  perform truncate_local_data_after_distributing_table(p_table);
  return true;
end;
$$;

comment on function bankpulse.distribute_table(regclass, integer) is
  'Distributes a table by merchant over the workers; returns whether that was still to be done.';
