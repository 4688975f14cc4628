-- The newest 240 chunks for the dashboard's charts, read by index: the time each took, and the rows per second.
create or replace view bankpulse.dashboard_chunks as
with newest_chunks as (
  select chunk_no, run_id, applied_at, row_count, rejected_count, detection_count, is_late, timings
  from bankpulse.chunks
  where chunk_no is not null
  order by chunk_no desc
  limit 240
)
select
  chunk_no,
  run_id,
  applied_at,
  row_count,
  rejected_count,
  detection_count,
  is_late,
  elapsed_ms,
  round(
    row_count / nullif(extract(epoch from applied_at - lag(applied_at) over (partition by run_id order by chunk_no)), 0)
  ) as rows_per_second
from newest_chunks
cross join lateral bankpulse.chunk_ms(timings) as elapsed_ms;

comment on view bankpulse.dashboard_chunks is 'The newest 240 chunks with their time and pace.';
comment on column bankpulse.dashboard_chunks.chunk_no is 'Position in the order of application.';
comment on column bankpulse.dashboard_chunks.run_id is 'The run that applied it.';
comment on column bankpulse.dashboard_chunks.applied_at is 'When it was applied.';
comment on column bankpulse.dashboard_chunks.row_count is 'Rows accepted.';
comment on column bankpulse.dashboard_chunks.rejected_count is 'Rows rejected.';
comment on column bankpulse.dashboard_chunks.detection_count is 'New detections after it.';
comment on column bankpulse.dashboard_chunks.is_late is 'True if it came after its turn.';
comment on column bankpulse.dashboard_chunks.elapsed_ms is 'Milliseconds it took, all steps together.';
comment on column bankpulse.dashboard_chunks.rows_per_second is
  'Its rows divided by the time since the chunk before it in the same run; null for the first.';
