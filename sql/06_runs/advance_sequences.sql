-- Sets the sequences of runs and detections past the greatest number in their tables. A logical replication copies the
-- tables, and no sequences: the numbers would begin at 1 again.
-- Reads: runs, detections. Writes: their sequences.
create or replace function bankpulse.advance_sequences() returns void
language sql volatile
set search_path = bankpulse, pg_temp
as $$
  select setval(pg_get_serial_sequence('runs', 'run_id'), max(run_id))
  from runs
  having max(run_id) >= (select last_value + case when is_called then 1 else 0 end from runs_run_id_seq);

  select setval(pg_get_serial_sequence('detections', 'detection_id'), max(detection_id))
  from detections
  having max(detection_id) >= (select last_value + case when is_called then 1 else 0 end from detections_detection_id_seq);
$$;

comment on function bankpulse.advance_sequences() is
  'Sets the sequences of runs and detections past the greatest number in their tables.';
