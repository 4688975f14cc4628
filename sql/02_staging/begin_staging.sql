-- Prepares the transaction that stages a chunk; the first statement in it. On one PostgreSQL there is nothing to do.
-- On a distributed database it tells the workers by which settings to plan, because they do not get those of a function,
-- and gives back the space of the rows that former chunks left deleted in the lane: once in 20 chunks, because
-- it costs a worker 2 ms a shard.
-- Writes: the tables of the session's lane, the setting bankpulse.staging_turn.
create or replace function bankpulse.begin_staging() returns void
language plpgsql volatile
as $$
declare
  v_turn bigint;
begin
  if bankpulse.staging_lane() is null then
    return;
  end if;
  set local citus.propagate_set_commands = 'local';
  -- as in write_touched_pairs and process_chunk
  set local enable_hashjoin = off;
  set local enable_mergejoin = off;
  set local jit = off;
  v_turn := coalesce(nullif(current_setting('bankpulse.staging_turn', true), ''), '0')::bigint;
  if v_turn % 20 = 0 then
    truncate staged_rows, touched_pairs, merchant_additions;
  end if;
  perform set_config('bankpulse.staging_turn', (v_turn + 1)::text, false);
end;
$$;

comment on function bankpulse.begin_staging() is 'Prepares the transaction that stages a chunk; needed on a distributed database.';
