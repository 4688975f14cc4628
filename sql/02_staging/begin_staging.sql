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
  perform set_config('bankpulse.staging_turn', (v_turn + 1)::text, false);
  if v_turn % 20 = 0 then
    -- A shard that is being moved lets rows be written, and nothing be truncated. To wait for the end would be a deadlock that no
    -- server sees: the move waits for the transactions on the worker, of which this is one. So the next turn tries again.
    begin
      set local lock_timeout = '100ms';
      truncate staged_rows, touched_pairs, merchant_additions;
      set local lock_timeout to default;
    exception
      when lock_not_available then null;
    end;
  end if;
end;
$$;

comment on function bankpulse.begin_staging() is 'Prepares the transaction that stages a chunk; needed on a distributed database.';
