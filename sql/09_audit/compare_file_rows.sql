-- Compares the rows of the files in S3 with the detections: every detection of a file that was read must stand in
-- exactly that file, once, as detection_file_rows has it, and all rows in the order of chunk, pattern, merchant and
-- customer.
-- In: the batches whose files were read. Reads: detections, detection_batches, detection_file_rows, pg_temp.file_rows.
-- Out: differences, one a row.
--
-- Names are compared as they are written, escaped. Two names can be written alike (=x and '=x): rows that look the same
-- are matched one to one, the first with the first.
create or replace function bankpulse.compare_file_rows(p_read_batches bigint[]) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with expected_rows as (
    select
      file_rows.*,
      row_number() over (
        order by detections.chunk_no, detections.pattern_id, detections.merchant_id, detections.customer_id
      ) as place,
      row_number() over (
        partition by file_rows."patternId", file_rows."MerchantId", file_rows."customerName"
        order by file_rows.batch_no, file_rows.detection_id
      ) as occurrence
    from detection_file_rows as file_rows
    inner join detections using (detection_id)
  ),
  found_rows as (
    select
      file_rows.*,
      row_number() over (
        partition by "patternId", "MerchantId", "customerName" order by file_rows.batch_no, file_rows.row_number
      ) as occurrence
    from pg_temp.file_rows
    where file_rows.row_number > 0
  ),
  matched_rows as (
    select
      "patternId",
      "MerchantId",
      "customerName",
      occurrence,
      expected.batch_no as expected_batch_no,
      found.batch_no as found_batch_no,
      found.row_number as found_row_number,
      (expected."YStartTime", expected."detectionTime", expected."ActionType")
      is distinct from (found."YStartTime", found."detectionTime", found."ActionType") as is_changed,
      expected.place,
      lag(expected.place) over (
        partition by expected.place is not null and found.batch_no is not null
        order by found.batch_no, found.row_number
      ) as former_place
    from expected_rows as expected
    full join found_rows as found using ("patternId", "MerchantId", "customerName", occurrence)
  ),
  judged_rows as (
    select
      matched_rows.*,
      case
        when matched_rows.found_batch_no is null then format('in no file; it belongs to %s', expected_batches.object_key)
        when matched_rows.expected_batch_no is null and matched_rows.occurrence > 1
          then format('once more in %s, row %s', found_batches.object_key, matched_rows.found_row_number)
        when matched_rows.expected_batch_no is null
          then format('unknown; it stands in %s, row %s', found_batches.object_key, matched_rows.found_row_number)
        when matched_rows.expected_batch_no <> matched_rows.found_batch_no
          then
            format(
              'in %s, row %s; it belongs to %s',
              found_batches.object_key, matched_rows.found_row_number, expected_batches.object_key
            )
        when matched_rows.is_changed
          then format('changed in %s, row %s', found_batches.object_key, matched_rows.found_row_number)
        when matched_rows.former_place > matched_rows.place
          then format('out of order in %s, row %s', found_batches.object_key, matched_rows.found_row_number)
      end as fault
    from matched_rows
    left join detection_batches as expected_batches on expected_batches.batch_no = matched_rows.expected_batch_no
    left join detection_batches as found_batches on found_batches.batch_no = matched_rows.found_batch_no
  )
  select
    describe_detection(judged_rows."patternId", judged_rows."MerchantId", judged_rows."customerName")
    || ': ' || judged_rows.fault
  from judged_rows
  where
    judged_rows.fault is not null
    and (judged_rows.found_batch_no is not null or judged_rows.expected_batch_no = any (p_read_batches))
  order by
    coalesce(judged_rows.found_batch_no, judged_rows.expected_batch_no),
    judged_rows.found_row_number,
    judged_rows.place;
end;
$$;

comment on function bankpulse.compare_file_rows(bigint[]) is
  'Differences between the rows of the detection files and the detections.';
