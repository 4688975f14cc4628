-- Applied chunks with the time of each step, the slowest first. Reads the ledger.
create or replace view bankpulse.slowest_chunks as
select
  chunks.chunk_no,
  chunks.row_count,
  chunks.detection_count,
  steps.total_ms,
  steps.slowest_step,
  steps.step_times,
  chunks.applied_at,
  chunks.object_key
from bankpulse.chunks
cross join lateral (
  select
    round(coalesce(sum(value::numeric), 0), 1) as total_ms,
    (array_agg(key order by value::numeric desc, key))[1] as slowest_step,
    string_agg(format('%s %s', key, round(value::numeric, 1)), ', ' order by value::numeric desc, key) as step_times
  from jsonb_each_text(chunks.timings)
) as steps
where chunks.status = 'applied'
order by steps.total_ms desc, chunks.chunk_no;

comment on view bankpulse.slowest_chunks is 'Applied chunks with the time of each step, the slowest first.';
comment on column bankpulse.slowest_chunks.chunk_no is 'The chunk.';
comment on column bankpulse.slowest_chunks.row_count is 'Rows accepted.';
comment on column bankpulse.slowest_chunks.detection_count is 'New detections after it.';
comment on column bankpulse.slowest_chunks.total_ms is 'Time of all steps together, in milliseconds.';
comment on column bankpulse.slowest_chunks.slowest_step is 'The step that took longest.';
comment on column bankpulse.slowest_chunks.step_times is 'Each step with its milliseconds, the longest first.';
comment on column bankpulse.slowest_chunks.applied_at is 'When it was applied.';
comment on column bankpulse.slowest_chunks.object_key is 'Key of the object in S3.';
