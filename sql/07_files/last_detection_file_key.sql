-- The key under this prefix of the newest batch that the outbox knows. Files behind it were written before the database
-- was restored to an earlier point.
-- In: the prefix of the files. Reads: detection_batches. Out: the key; that of batch 0 if there is no batch.
create or replace function bankpulse.last_detection_file_key(p_detections_prefix text) returns text
language sql stable
begin atomic
  select bankpulse.detection_file_key(p_detections_prefix, coalesce(max(batch_no), 0))
  from bankpulse.detection_batches;
end;

comment on function bankpulse.last_detection_file_key(text) is
  'The key under this prefix of the newest batch that the outbox knows.';
