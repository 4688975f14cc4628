-- The state of the pipeline, in one row; `npm run status` prints it.
create or replace view bankpulse.pipeline_status as
select
  ledger.chunks_applied,
  ledger.chunks_quarantined,
  coalesce(working_run.pending_count, 0) as chunks_pending,
  ledger.rows_applied,
  ledger.rows_rejected,
  found.detections,
  outbox.batches_exported,
  outbox.batches_pending,
  case
    when working_run.pending_count > 0
      then greatest(extract(epoch from clock_timestamp() - working_run.oldest_pending_at), 0)::numeric(20, 3)
    else 0
  end as lag_seconds
from (
  select
    count(*) filter (where status = 'applied') as chunks_applied,
    count(*) filter (where status = 'quarantined') as chunks_quarantined,
    coalesce(sum(row_count), 0)::bigint as rows_applied,
    coalesce(sum(rejected_count), 0)::bigint as rows_rejected
  from bankpulse.chunks
) as ledger
cross join (
  select coalesce(jsonb_object_agg(pattern_id, detection_count order by pattern_id), '{}') as detections
  from (
    select patterns.pattern_id, count(detections.detection_id) as detection_count
    from bankpulse.patterns
    left join bankpulse.detections on detections.pattern_id = patterns.pattern_id
    group by patterns.pattern_id
  ) as pattern_counts
) as found
cross join (
  select
    count(*) filter (where exported_at is not null) as batches_exported,
    count(*) filter (where exported_at is null) as batches_pending
  from bankpulse.detection_batches
) as outbox
cross join bankpulse.pipeline_lease
left join bankpulse.runs as working_run on working_run.run_id = pipeline_lease.run_id;

comment on view bankpulse.pipeline_status is 'The state of the pipeline, in one row.';
comment on column bankpulse.pipeline_status.chunks_applied is 'Chunks applied to the state.';
comment on column bankpulse.pipeline_status.chunks_quarantined is 'Objects quarantined because of their content.';
comment on column bankpulse.pipeline_status.chunks_pending is 'Objects that waited in S3 at the last listing of the working Y.';
comment on column bankpulse.pipeline_status.rows_applied is 'Rows accepted.';
comment on column bankpulse.pipeline_status.rows_rejected is 'Rows of applied chunks that were rejected.';
comment on column bankpulse.pipeline_status.detections is 'Detections by pattern.';
comment on column bankpulse.pipeline_status.batches_exported is 'Detection files written to S3.';
comment on column bankpulse.pipeline_status.batches_pending is 'Closed batches whose file is not written yet.';
comment on column bankpulse.pipeline_status.lag_seconds is 'How long the oldest waiting object has been in S3; 0 if none waits.';
