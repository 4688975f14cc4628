-- Replays a staged chunk in a scratch database: adds its rows to customer_merchant_stats and records as detections of
-- this chunk the rows of pattern_matches that were not there before, by the rules of the chunk in the ledger. If these
-- are not known any more, it takes the chunk's detections as given.
-- In: the chunk; its key; whether to judge by the rules of the ledger, or by the patterns as they are, for a backtest.
-- Reads: staged_records, staged_rows, chunks, rules_history, detections, pattern_matches and the tables it
-- reads. Writes: customer_merchant_stats, rejected_rows, patterns, pg_temp.replayed_chunks, replayed_detections. Raises
-- if open_audit was not called in the session.
--
-- With the hot path it shares how a file is cut into rows and how a row is accepted (01_values, 02_staging), and the
-- match functions; it has no touched pairs, running totals, or anything that a detect function remembers.
-- pattern_matches reads the whole state, so a replay costs the number of chunks times the size of the state.
create or replace function bankpulse.replay_chunk(p_chunk_no bigint, p_object_key text, p_by_ledger boolean)
returns void
language plpgsql volatile
-- the tables grow from nothing and have no statistics: the planner would take them for small
set enable_nestloop = off
set jit = off
as $$
declare
  v_rejected_count bigint;
  v_unjudged_because text;
begin
  perform bankpulse.use_staging();
  v_rejected_count := accept_staged_records(p_object_key);

  insert into customer_merchant_stats as stats (
    merchant_id, customer_id, gender, transaction_count, total_amount
  )
  select merchant_id, customer_id, substr(min(placed_gender), 11), count(*), sum(amount)
  from staged_rows
  group by merchant_id, customer_id
  on conflict (merchant_id, customer_id) do update
  set
    transaction_count = stats.transaction_count + excluded.transaction_count,
    total_amount = stats.total_amount + excluded.total_amount;

  if p_by_ledger then
    v_unjudged_because := use_rules_of(p_chunk_no);
  end if;
  insert into pg_temp.replayed_chunks (chunk_no, row_count, rejected_count, unjudged_because)
  select p_chunk_no, count(*), v_rejected_count, v_unjudged_because
  from staged_rows;

  if v_unjudged_because is null then
    insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
    select pattern_id, merchant_id, customer_id, p_chunk_no
    from pattern_matches
    on conflict do nothing;
  else
    insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
    select pattern_id, merchant_id, customer_id, chunk_no
    from detections
    where chunk_no = p_chunk_no
    on conflict do nothing;
  end if;
end;
$$;

comment on function bankpulse.replay_chunk(bigint, text, boolean) is
  'Adds a staged chunk to the scratch database''s state and records the new rows of pattern_matches.';
