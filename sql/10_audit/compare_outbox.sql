-- Compares the outbox with the objects under the prefix of the detection files, and with the detections. Batches must
-- be numbered without holes.
-- In: the keys of those objects. Reads: detections, detection_batches. Out: differences, one a row.
create or replace function bankpulse.compare_outbox(p_listed_keys text[]) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select format('%s: no batch has this file', listed.object_key)
  from unnest(p_listed_keys) as listed (object_key)
  where listed.object_key not in (select detection_batches.object_key from detection_batches)
  order by listed.object_key collate "C";

  return query
  select format('batch %s: not in the outbox', numbers.batch_no)
  from generate_series(
    1, greatest((select max(detection_batches.batch_no) from detection_batches), (select max(detections.batch_no) from detections))
  ) as numbers (batch_no)
  where numbers.batch_no not in (select detection_batches.batch_no from detection_batches)
  order by numbers.batch_no;

  return query
  select
    format('batch %s: the outbox has %s detections, the table has %s', batch_no, batches.row_count, count(detections.detection_id))
  from detection_batches as batches
  left join detections using (batch_no)
  group by batch_no, batches.row_count
  having batches.row_count <> count(detections.detection_id)
  order by batch_no;
end;
$$;

comment on function bankpulse.compare_outbox(text[]) is
  'Differences between the outbox, the listed files and the detections.';
