-- Compares the rows of the files in S3 with the detections: each detection of a file that was read must be in exactly
-- that file, once, as detection_file_rows gives it, and all rows in the order of chunk, pattern, merchant and
-- customer.
-- In: the batches whose files were read. Reads: detections, detection_batches, detection_file_rows,
-- pg_temp.file_rows.
-- Out: differences, one a row.
--
-- Names are compared as they are written, escaped. Two names can be written alike (=x and '=x): rows about the same
-- names are matched one to one, the first with the first.
create or replace function bankpulse.compare_file_rows(p_read_batches bigint[]) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_columns constant text[] := detection_file_columns();
begin
  return query
  with expected_rows as (
    select
      file_rows.batch_no,
      batches.object_key,
      rows.content,
      describe_file_row(rows.content) as detection,
      row_number() over (
        order by detections.chunk_no, detections.pattern_id, detections.merchant_id, detections.customer_id
      ) as place,
      row_number() over (
        partition by describe_file_row(rows.content) order by file_rows.batch_no, file_rows.detection_id
      ) as occurrence
    from detection_file_rows as file_rows
    inner join detections using (detection_id)
    left join detection_batches as batches on batches.batch_no = file_rows.batch_no
    cross join lateral (select to_jsonb(file_rows) - 'batch_no' - 'detection_id' as content) as rows
  ),
  found_rows as (
    select
      file_rows.batch_no,
      file_rows.row_number,
      batches.object_key,
      rows.content,
      describe_file_row(rows.content) as detection,
      row_number() over (
        partition by describe_file_row(rows.content) order by file_rows.batch_no, file_rows.row_number
      ) as occurrence
    from pg_temp.file_rows
    inner join detection_batches as batches on batches.batch_no = file_rows.batch_no
    cross join lateral (
      select jsonb_object_agg(columns.name, coalesce(file_rows.fields ->> (columns.place::integer - 1), '')) as content
      from unnest(v_columns) with ordinality as columns (name, place)
    ) as rows
    where
      file_rows.row_number > 0
      -- those that are not detected again yet are told by compare_outbox
      and not exists (
        select
        from taken_over_rows as waiting_rows
        where
          waiting_rows.batch_no = file_rows.batch_no
          and waiting_rows.row_number = file_rows.row_number
          and waiting_rows.detection_id is null
      )
  ),
  matched_rows as (
    select
      detection,
      occurrence,
      expected.batch_no as expected_batch_no,
      expected.object_key as expected_key,
      expected.place,
      found.batch_no as found_batch_no,
      found.row_number as found_row_number,
      format('%s, row %s', found.object_key, found.row_number) as found_place,
      expected.content <> found.content as is_changed,
      lag(expected.place) over (
        partition by expected.place is not null and found.batch_no is not null
        order by found.batch_no, found.row_number
      ) as former_place
    from expected_rows as expected
    full join found_rows as found using (detection, occurrence)
  ),
  faults as (
    select
      matched_rows.*,
      case
        when found_batch_no is null then format('in no file; it belongs to %s', expected_key)
        when expected_batch_no is null and occurrence > 1 then format('once more in %s', found_place)
        when expected_batch_no is null then format('unknown; it stands in %s', found_place)
        when expected_batch_no <> found_batch_no then format('in %s; it belongs to %s', found_place, expected_key)
        when is_changed then format('changed in %s', found_place)
        when former_place > place then format('out of order in %s', found_place)
      end as fault
    from matched_rows
  )
  select detection || ': ' || fault
  from faults
  where fault is not null and (found_batch_no is not null or expected_batch_no = any (p_read_batches))
  order by coalesce(found_batch_no, expected_batch_no), found_row_number, place;
end;
$$;

comment on function bankpulse.compare_file_rows(bigint[]) is
  'Differences between the rows of the detection files and the detections.';
