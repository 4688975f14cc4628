-- Replays a staged chunk in a scratch database: adds its rows to customer_merchant_stats and records as detections of
-- this chunk the rows of pattern_matches that were not there before.
-- In: the chunk, its key, and whether to judge the patterns. Reads: pg_temp.staged_records, staged_rows,
-- pattern_matches and the tables it reads. Writes: customer_merchant_stats, rejected_rows, pg_temp.replayed_chunks,
-- replayed_detections. Raises if open_audit was not called in the session.
--
-- With the hot path it shares how a file is cut into rows and how a row is accepted (01_values, 02_staging), and
-- pattern_matches; it has no touched pairs, running totals, histogram or candidates. pattern_matches reads the whole
-- state, so a replay costs the number of chunks times the size of the state.
create or replace function bankpulse.replay_chunk(p_chunk_no bigint, p_object_key text, p_is_judged boolean)
returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
-- the tables grow from nothing and have no statistics: the planner would take them for small
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
    -- execute plans the statement anew each time, for the present size of the state
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
  'Adds a staged chunk to the scratch database''s state and records the new rows of pattern_matches.';
