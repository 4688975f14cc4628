-- chunks.quarantined_at: a quarantined object has a time of its own, and applied_at is null for it. Rows are accepted
-- or rejected, so the step that sorts them is called accept in the timings. Drops what sql/ no longer defines.

-- Up Migration

drop view if exists
  bankpulse.dashboard_patterns, bankpulse.dashboard_files, bankpulse.dashboard_quarantine,
  bankpulse.dashboard_chunk_detections, bankpulse.dashboard_merchant_tops,
  -- these two read dashboard_merchant_tops, which is merchant_tops now; sql/ creates them again
  bankpulse.near_matches, bankpulse.dashboard_low_weights;
drop function if exists
  bankpulse.judge_staged_records(text), bankpulse.quarantine_chunk(bigint, text, text, bigint, text),
  bankpulse.compare_pairs(), bankpulse.compare_merchants(),
  bankpulse.compare_histogram(), bankpulse.compare_candidates(), bankpulse.compare_top_counts();

alter table bankpulse.chunks
  add column quarantined_at timestamptz,
  alter column applied_at drop not null,
  alter column applied_at drop default;
update bankpulse.chunks set quarantined_at = applied_at, applied_at = null where status = 'quarantined';
update bankpulse.chunks
set timings = timings - 'judge' || jsonb_build_object('accept', timings -> 'judge')
where timings ? 'judge';
alter table bankpulse.chunks
  add constraint applied_chunks_say_when check ((status = 'applied') = (applied_at is not null)),
  add constraint quarantined_chunks_say_when check ((status = 'quarantined') = (quarantined_at is not null));

comment on column bankpulse.chunks.applied_at is 'When the chunk was applied; null while the object is quarantined.';
comment on column bankpulse.chunks.quarantined_at is 'When the object was quarantined; null if the chunk is applied.';
comment on column bankpulse.chunks.run_id is 'The run that applied or quarantined it.';
comment on column bankpulse.chunks.is_late is 'True if a greater object_number had been applied or quarantined before.';
comment on column bankpulse.chunks.rules_hash is 'Hash of the thresholds and weights that the patterns were judged by.';
comment on column bankpulse.chunks.timings is 'Milliseconds per step: copy, accept, pairs, merchants, histogram, detect.';
comment on table bankpulse.rejected_rows is 'Rows that were rejected, with the reason. The other rows of their file count.';
comment on index bankpulse.chunks_object_number is 'Finds the greatest number applied or quarantined.';
comment on index bankpulse.detections_batch_no is 'Finds the rows of a file in their order, and the detections that are in no batch yet.';
comment on table bankpulse.merchant_top_counts is
  'Running state of PatId1: the lower end of the top share of a merchant''s customers, as of the last chunk that touched the merchant.';
comment on column bankpulse.merchant_top_counts.top_count is
  'The smallest number of transactions in the top share (10 % by default); null if the share is empty, because too many customers tie.';

-- Down Migration

alter table bankpulse.chunks
  drop constraint applied_chunks_say_when,
  drop constraint quarantined_chunks_say_when;
update bankpulse.chunks set applied_at = quarantined_at where status = 'quarantined';
update bankpulse.chunks
set timings = timings - 'accept' || jsonb_build_object('judge', timings -> 'accept')
where timings ? 'accept';
alter table bankpulse.chunks
  drop column quarantined_at,
  alter column applied_at set default clock_timestamp(),
  alter column applied_at set not null;
