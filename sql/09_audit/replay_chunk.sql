-- Replays a staged chunk in a scratch database: its rows are added to customer_merchant_stats, and what satisfies a
-- pattern then, and did not before, is a detection of this chunk.
-- In: the chunk, its key, and whether the patterns are to be judged. Reads: pg_temp.staged_records, staged_rows,
-- pattern_matches and what that reads. Writes: customer_merchant_stats, rejected_rows, pg_temp.replayed_chunks,
-- replayed_detections. Raises if open_audit did not make these.
--
-- It shares with the hot path how a file is cut into rows and how a row is judged (layers 01 and 02), and nothing of
-- layers 03, 04 and 05 but pattern_matches: no touched pairs, no running totals, no histogram, no candidates.
-- pattern_matches reads the whole state, so a replay costs the number of chunks times the size of the state.
create or replace function bankpulse.replay_chunk(p_chunk_no bigint, p_object_key text, p_is_judged boolean)
returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
-- for tables that grow from nothing and have no statistics yet
set enable_nestloop = off
set jit = off
as $$
declare
  v_rejected_count bigint;
begin
  v_rejected_count := accept_staged_records(p_object_key);

  insert into pg_temp.replayed_chunks (chunk_no, row_count, rejected_count)
  select p_chunk_no, count(*), v_rejected_count
  from pg_temp.staged_rows;

  insert into customer_merchant_stats as stats (
    merchant_id, customer_id, gender, transaction_count, total_amount
  )
  select merchant_id, customer_id, (array_agg(gender order by row_number))[1], count(*), sum(amount)
  from pg_temp.staged_rows
  group by merchant_id, customer_id
  on conflict (merchant_id, customer_id) do update
  set
    transaction_count = stats.transaction_count + excluded.transaction_count,
    total_amount = stats.total_amount + excluded.total_amount;

  if p_is_judged then
    -- planned anew each time, for a state as large as it is by then
    execute $sql$
      insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
      select pattern_id, merchant_id, customer_id, $1
      from pattern_matches
      on conflict do nothing
    $sql$
    using p_chunk_no;
  end if;
end;
$$;

comment on function bankpulse.replay_chunk(bigint, text, boolean) is
  'Adds a staged chunk to the scratch database''s state and notes what pattern_matches finds new after it.';
