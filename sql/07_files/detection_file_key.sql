-- The key of the file of a batch: detections-00000001.csv under the prefix.
-- DETECTION_FILE in src/config.ts has the beginning, and src/detector/take-over.ts reads the number back. Names sort as the
-- numbers do up to eight digits, so that a listing shows the newest last.
-- In: the prefix of the files, the number of the batch. Out: the key. Reads no table.
create or replace function bankpulse.detection_file_key(p_detections_prefix text, p_batch_no bigint) returns text
language sql immutable parallel safe
return p_detections_prefix || 'detections-' || lpad(p_batch_no::text, greatest(8, length(p_batch_no::text)), '0') || '.csv';

comment on function bankpulse.detection_file_key(text, bigint) is 'The key of the file of a batch.';
