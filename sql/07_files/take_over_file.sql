-- Enters a detection file that stands in the bucket, and that the outbox does not know, as a closed and written batch.
-- Since the stream is the same, mechanism Y finds the same detections again; place_detections puts them into this batch.
-- In: the caller's run; number and key of the file; its rows as an array of objects, by the names of the columns.
-- Writes: detection_batches, taken_over_rows, detections. Raises BP001 (lease_lost), 23502 if a row lacks a column.
create or replace function bankpulse.take_over_file(
  p_run_id bigint,
  p_batch_no bigint,
  p_object_key text,
  p_rows jsonb
) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  perform hold_lease(p_run_id);
  insert into detection_batches (batch_no, object_key, row_count, closed_at, exported_at)
  values (p_batch_no, p_object_key, jsonb_array_length(p_rows), v_now, v_now);

  insert into taken_over_rows (
    batch_no, row_number, pattern_id, merchant_name, customer_name, run_started_at, detected_at
  )
  select
    p_batch_no,
    file_rows.place,
    file_rows.content ->> 'patternId',
    file_rows.content ->> 'MerchantId',
    file_rows.content ->> 'customerName',
    file_rows.content ->> 'YStartTime',
    file_rows.content ->> 'detectionTime'
  from jsonb_array_elements(p_rows) with ordinality as file_rows (content, place);

  perform place_detections();
end;
$$;

comment on function bankpulse.take_over_file(bigint, bigint, text, jsonb) is
  'Enters a file that the outbox does not know as a closed and written batch.';
