-- Compares the files in S3 with the outbox and the detections.
-- In: the batches whose files were read, and the keys of all objects under the prefix of the detection files.
-- Reads: detections, detection_batches, detection_file_rows, pg_temp.file_rows. Out: differences, one a row.
create or replace function bankpulse.compare_files(p_read_batches bigint[], p_listed_keys text[]) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query select * from compare_outbox(p_listed_keys);
  return query select * from compare_file_shapes();
  return query select * from compare_file_rows(p_read_batches);
end;
$$;

comment on function bankpulse.compare_files(bigint[], text[]) is
  'Differences between the detection files in S3, the outbox and the detections.';
