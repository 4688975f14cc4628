-- Applies the staged chunk to the state, judges the patterns after it, writes the new detections and the ledger row,
-- and closes the batches that became full. All of that commits together with the COPY before it, or none of it does.
-- In: the caller's run; key, ETag and size of the object; how long it took to stage the chunk; size and prefix of the
-- batches; CHUNK_ORDER. A quarantined row of this key gives way to the applied one.
-- Reads: pruned_objects. Reads and writes: the staging tables; rejected_rows, customer_merchant_stats, merchant_stats,
-- detections, detection_batches, rules_history, chunks; what the patterns remember.
-- Out: the ledger row. Raises BP001 (lease_lost), BP002 (object_number_taken), BP003 (object_in_ledger), BP005
-- (pattern_failed), 40001 if the patterns were changed while it ran.
create or replace function bankpulse.process_chunk(
  p_run_id bigint,
  p_object_key text,
  p_etag text,
  p_size_bytes bigint,
  p_copy_ms numeric,
  p_batch_rows bigint,
  p_detections_prefix text,
  p_chunk_order text default 'number'
) returns bankpulse.chunks
language plpgsql volatile
-- compiling a query costs more than it saves if the query takes a few milliseconds
set jit = off
as $$
declare
  v_chunk bankpulse.chunks;
  v_last_chunk_no bigint;
  v_last_rules_hash text;
  v_rules record; -- a row of present_rules
  v_pattern_versions xid[];
  v_timings jsonb := jsonb_build_object('copy', p_copy_ms);
  v_step_started_at timestamptz := clock_timestamp();
begin
  perform bankpulse.use_staging();
  perform hold_lease(p_run_id);
  -- The transaction is read committed: each statement below sees what was committed while this one waited for the
  -- lease.
  if
    exists (select from chunks where object_key = p_object_key and status = 'applied')
    or exists (select from known_as_pruned(p_object_key))
  then
    raise exception 'the object is in the ledger already' using errcode = 'BP003';
  end if;
  perform retry_quarantined_chunk(p_object_key); -- its row as a quarantined object gives way

  v_chunk.object_key := p_object_key;
  v_chunk.object_number := object_number(p_object_key, p_chunk_order);
  v_chunk.etag := p_etag;
  v_chunk.size_bytes := p_size_bytes;
  v_chunk.status := 'applied';
  v_chunk.run_id := p_run_id;
  v_pattern_versions := array(select xmin from patterns order by pattern_id);
  select * into v_rules from present_rules();
  v_chunk.rules_hash := v_rules.rules_hash;
  v_chunk.is_late := comes_late(p_object_key, v_chunk.object_number, p_chunk_order);
  if is_number_applied(v_chunk.object_number) then
    raise exception 'another object with number % was applied before', v_chunk.object_number using errcode = 'BP002';
  end if;
  select chunk_no, rules_hash into v_last_chunk_no, v_last_rules_hash
  from chunks where chunk_no is not null order by chunk_no desc limit 1;
  v_chunk.chunk_no := coalesce(v_last_chunk_no, 0) + 1;

  v_chunk.rejected_count := accept_staged_records(p_object_key);
  v_timings := add_timing(v_timings, 'accept', v_step_started_at);
  v_step_started_at := clock_timestamp();

  perform sum_up_staged_rows();
  perform write_touched_pairs(collect_touched_pairs());
  v_chunk.row_count := empty_staged_rows();
  v_timings := add_timing(v_timings, 'pairs', v_step_started_at);
  v_step_started_at := clock_timestamp();

  perform update_merchant_stats();
  v_timings := add_timing(v_timings, 'merchants', v_step_started_at);
  v_step_started_at := clock_timestamp();

  v_chunk.applied_at := clock_timestamp();
  v_chunk.detection_count := record_detections(
    v_chunk.chunk_no, p_run_id, v_chunk.applied_at, v_chunk.rules_hash is distinct from v_last_rules_hash
  );
  -- A detect function remembers what it has judged. If it had judged by other rules than those in rules_hash, later
  -- chunks would miss detections. xmin also tells a row that was changed and changed back. A function that is replaced
  -- in between has its effect with the next chunk, which judges all state again.
  if array(select xmin from patterns order by pattern_id) <> v_pattern_versions then
    raise exception 'the patterns were changed while a chunk was applied' using errcode = '40001';
  end if;
  if v_chunk.detection_count > 0 then
    perform close_batches(p_run_id, p_batch_rows, p_detections_prefix, false);
  end if;
  if v_chunk.rules_hash is distinct from v_last_rules_hash then
    insert into rules_history (rules_hash, patterns, importance_fingerprint, first_chunk_no, recorded_at)
    values (
      v_chunk.rules_hash, v_rules.patterns, v_rules.importance_fingerprint, v_chunk.chunk_no, v_chunk.applied_at
    )
    on conflict (rules_hash) do nothing;
  end if;
  v_chunk.timings := add_timing(v_timings, 'detect', v_step_started_at);

  perform empty_touched();
  insert into chunks select v_chunk.*;
  return v_chunk;
end;
$$;

comment on function bankpulse.process_chunk(bigint, text, text, bigint, numeric, bigint, text, text) is
  'Applies the staged chunk: state, detections, ledger row and full batches, in one transaction. Returns the ledger row.';
