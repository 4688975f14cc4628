-- The state of the pipeline, in one row; `npm run status` prints it. It reads running totals, so that it costs the same
-- however long the ledger is; only the batches that wait are counted.
create or replace view bankpulse.pipeline_status as
select
  totals.chunks_applied,
  totals.chunks_quarantined,
  coalesce(leading_run.pending_count, 0) as chunks_pending,
  totals.rows_applied,
  totals.rows_rejected,
  found.detections,
  totals.batches_closed - outbox.batches_pending as batches_exported,
  outbox.batches_pending,
  case
    when not leading_run.is_listing_current then null
    when leading_run.pending_count > 0
      then greatest(extract(epoch from clock_timestamp() - leading_run.oldest_pending_at), 0)::numeric(20, 3)
    else 0
  end as lag_seconds,
  leading_run.run_id,
  leading_run.run_state,
  leading_run.started_at as run_started_at,
  leading_run.listed_at,
  newest_chunk.applied_at as last_applied_at
from bankpulse.pipeline_totals as totals
cross join (
  select coalesce(jsonb_object_agg(pattern_id, coalesce(detection_count, 0) order by pattern_id), '{}') as detections
  from bankpulse.patterns
  left join bankpulse.pattern_totals using (pattern_id)
) as found
cross join (
  select count(*) as batches_pending from bankpulse.detection_batches where exported_at is null
) as outbox
cross join bankpulse.leading_run
left join (
  select applied_at from bankpulse.chunks where chunk_no is not null order by chunk_no desc limit 1
) as newest_chunk on true
where totals.scope = 'all';

comment on view bankpulse.pipeline_status is 'The state of the pipeline, in one row.';
comment on column bankpulse.pipeline_status.chunks_applied is 'Chunks applied to the state.';
comment on column bankpulse.pipeline_status.chunks_quarantined is 'Objects quarantined because of their content.';
comment on column bankpulse.pipeline_status.chunks_pending is 'Objects that waited in S3 at the last listing of the working Y.';
comment on column bankpulse.pipeline_status.rows_applied is 'Rows accepted.';
comment on column bankpulse.pipeline_status.rows_rejected is 'Rows of applied chunks that were rejected.';
comment on column bankpulse.pipeline_status.detections is 'Detections by pattern.';
comment on column bankpulse.pipeline_status.batches_exported is 'Detection files written to S3.';
comment on column bankpulse.pipeline_status.batches_pending is 'Closed batches whose file is not written yet.';
comment on column bankpulse.pipeline_status.lag_seconds is 'How long the oldest waiting object has been in S3; 0 if none waits; null if no Y has listed the bucket lately.';
comment on column bankpulse.pipeline_status.run_id is 'The run that holds the lease.';
comment on column bankpulse.pipeline_status.run_state is
  'none: no Y has ever worked; rebuilding: npm run rebuild is at work, and every Y stands by; ended; silent: its session is gone, and no other works; not_listing: it works, and cannot list the bucket; working: chunks wait; waiting: no chunk waits.';
comment on column bankpulse.pipeline_status.run_started_at is 'When that run started.';
comment on column bankpulse.pipeline_status.listed_at is 'When its last listing of S3 ended: chunks_pending is as of then.';
comment on column bankpulse.pipeline_status.last_applied_at is 'When the newest chunk was applied.';
