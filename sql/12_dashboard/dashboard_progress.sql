-- The figures at the top of the dashboard, in one row: pipeline_status and the pace. The dashboard asks about once a
-- second while a page is open, so besides pipeline_status the view reads only the newest chunks, by index.
--
-- The pace is that of the last twenty chunks of one run. It is 0 once no chunk has come for five times their mean
-- distance, and for at least 10 s.
create or replace view bankpulse.dashboard_progress as
with newest_chunks as (
  select chunk_no, run_id, applied_at, row_count, timings
  from bankpulse.chunks
  where chunk_no is not null
  order by chunk_no desc
  limit 20
),
last_chunks as (
  select chunk_no, applied_at, row_count, elapsed_ms
  from newest_chunks
  cross join lateral bankpulse.chunk_ms(timings) as elapsed_ms
  where run_id = (select run_id from newest_chunks order by chunk_no desc limit 1)
),
pace as (
  select
    max(applied_at) as last_applied_at,
    percentile_cont(0.5) within group (order by elapsed_ms::double precision)::numeric(20, 1) as median_chunk_ms,
    -- without the rows of the oldest chunk: only its time counts, as the beginning of the next
    (sum(row_count) - (array_agg(row_count order by chunk_no))[1])
    / nullif(extract(epoch from max(applied_at) - min(applied_at)), 0) as rows_per_second,
    greatest(5 * (max(applied_at) - min(applied_at)) / nullif(count(*) - 1, 0), interval '10 s') as longest_pause
  from last_chunks
)
select
  status.chunks_applied,
  status.chunks_quarantined,
  status.chunks_pending,
  status.rows_applied,
  status.rows_rejected,
  status.detections,
  status.batches_exported,
  status.batches_pending,
  status.lag_seconds,
  status.chunks_applied + status.chunks_pending + status.chunks_quarantined as chunks_uploaded,
  case
    when pace.last_applied_at + pace.longest_pause >= clock_timestamp() then round(pace.rows_per_second)
    else 0
  end as rows_per_second,
  pace.median_chunk_ms,
  pace.last_applied_at,
  status.run_id,
  status.run_started_at,
  status.run_state
from bankpulse.pipeline_status as status
cross join pace;

comment on view bankpulse.dashboard_progress is 'The top of the dashboard, in one row: pipeline_status and the pace.';
comment on column bankpulse.dashboard_progress.chunks_applied is 'Chunks applied to the state.';
comment on column bankpulse.dashboard_progress.chunks_quarantined is 'Objects quarantined because of their content.';
comment on column bankpulse.dashboard_progress.chunks_pending is 'Objects that waited in S3 at the last listing of the working Y.';
comment on column bankpulse.dashboard_progress.rows_applied is 'Rows accepted.';
comment on column bankpulse.dashboard_progress.rows_rejected is 'Rows of applied chunks that were rejected.';
comment on column bankpulse.dashboard_progress.detections is 'Detections by pattern.';
comment on column bankpulse.dashboard_progress.batches_exported is 'Detection files written to S3.';
comment on column bankpulse.dashboard_progress.batches_pending is 'Closed batches whose file is not written yet.';
comment on column bankpulse.dashboard_progress.lag_seconds is 'How long the oldest waiting object has been in S3; 0 if none waits; null if no Y has listed the bucket lately.';
comment on column bankpulse.dashboard_progress.chunks_uploaded is 'Chunks in S3: applied, waiting and quarantined.';
comment on column bankpulse.dashboard_progress.rows_per_second is 'Rows applied per second over the last twenty chunks; 0 when no more chunks come.';
comment on column bankpulse.dashboard_progress.median_chunk_ms is 'Median of the milliseconds that the last twenty chunks took.';
comment on column bankpulse.dashboard_progress.last_applied_at is 'When the newest chunk was applied.';
comment on column bankpulse.dashboard_progress.run_id is 'The run that holds the lease.';
comment on column bankpulse.dashboard_progress.run_started_at is 'When that run started.';
comment on column bankpulse.dashboard_progress.run_state is
  'none: no Y has ever worked; rebuilding: npm run rebuild is at work, and every Y stands by; ended; silent: its session is gone, and no other works; not_listing: it works, and cannot list the bucket; working: chunks wait; waiting: no chunk waits.';
