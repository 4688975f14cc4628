-- Looks whether the files in S3 begin with the header and have six fields in every row.
-- Reads: detection_batches, pg_temp.file_rows. Out: differences, one a row.
create or replace function bankpulse.compare_file_shapes() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select format('%s, row %s: %s', batches.object_key, file_rows.row_number, faults.fault)
  from pg_temp.file_rows
  inner join detection_batches as batches using (batch_no)
  cross join lateral (
    select
      case
        when file_rows.field_count <> 6 then format('%s fields instead of 6', file_rows.field_count)
        when
          file_rows.row_number = 0
          and (
            file_rows."YStartTime", file_rows."detectionTime", file_rows."patternId",
            file_rows."ActionType", file_rows."customerName", file_rows."MerchantId"
          ) <> ('YStartTime', 'detectionTime', 'patternId', 'ActionType', 'customerName', 'MerchantId')
          then 'not the header'
      end as fault
  ) as faults
  where faults.fault is not null
  order by batch_no, file_rows.row_number;
end;
$$;

comment on function bankpulse.compare_file_shapes() is
  'Rows of the detection files that have another shape.';
