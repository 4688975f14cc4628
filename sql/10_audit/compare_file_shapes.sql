-- Checks that each file in S3 begins with the header, and that each of its rows has as many fields as the header.
-- Reads: detection_batches, pg_temp.file_rows. Out: differences, one a row.
create or replace function bankpulse.compare_file_shapes() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_header constant jsonb := to_jsonb(detection_file_columns());
begin
  return query
  select format('%s, row %s: %s', batches.object_key, file_rows.row_number, faults.fault)
  from pg_temp.file_rows
  inner join detection_batches as batches using (batch_no)
  cross join lateral (
    select
      case
        when jsonb_array_length(file_rows.fields) <> jsonb_array_length(v_header)
          then format('%s fields instead of %s', jsonb_array_length(file_rows.fields), jsonb_array_length(v_header))
        when file_rows.row_number = 0 and file_rows.fields <> v_header then 'not the header'
      end as fault
  ) as faults
  where faults.fault is not null
  order by batch_no, file_rows.row_number;
end;
$$;

comment on function bankpulse.compare_file_shapes() is
  'Rows of the detection files with another number of fields, and files without the header.';
