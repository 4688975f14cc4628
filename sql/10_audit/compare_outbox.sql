-- Compares the outbox with the objects under the prefix of the detection files, and with the detections. Batches must
-- be numbered without holes.
-- In: the keys of those objects. Reads: detections, detection_batches, taken_over_rows. Out: differences, one a row.
create or replace function bankpulse.compare_outbox(p_listed_keys text[]) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select format('%s: no batch has this file', listed.object_key)
  from unnest(p_listed_keys) as listed (object_key)
  where not exists (select from detection_batches as batches where batches.object_key = listed.object_key)
  order by listed.object_key collate "C";

  return query
  select format('batch %s: not in the outbox', numbers.batch_no)
  from generate_series(
    1, greatest((select max(detection_batches.batch_no) from detection_batches), (select max(detections.batch_no) from detections))
  ) as numbers (batch_no)
  where not exists (select from detection_batches as batches where batches.batch_no = numbers.batch_no)
  order by numbers.batch_no;

  return query
  with waiting_rows as (
    select batch_no, count(*) as row_count
    from taken_over_rows
    where detection_id is null
    group by batch_no
  ),
  counted_batches as (
    select
      batch_no,
      batches.row_count,
      count(detections.detection_id) as detection_count,
      coalesce(waiting_rows.row_count, 0) as waiting_count
    from detection_batches as batches
    left join detections using (batch_no)
    left join waiting_rows using (batch_no)
    group by batch_no, batches.row_count, waiting_rows.row_count
  )
  select
    case
      when row_count = detection_count + waiting_count
        then format('batch %s: %s rows of its file, taken over after a restore, are not detected again yet', batch_no, waiting_count)
      else format('batch %s: the outbox has %s detections, the table has %s', batch_no, row_count, detection_count)
    end
  from counted_batches
  where row_count <> detection_count
  order by batch_no;
end;
$$;

comment on function bankpulse.compare_outbox(text[]) is
  'Differences between the outbox, the listed files and the detections.';
