-- Puts each open detection that stands in a taken-over file into that file's batch, so that it is not written again.
-- Names are compared as they are written, escaped. Two names can be written alike (=x and '=x): they are matched one to
-- one, the first with the first.
-- Reads and writes: detections, taken_over_rows. Costs nothing where no file was taken over.
create or replace function bankpulse.place_detections() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  if not exists (select from taken_over_rows where detection_id is null) then
    return;
  end if;

  with open_detections as (
    select
      detection_id,
      pattern_id,
      escape_formula(merchant_id) as merchant_name,
      escape_formula(customer_id) as customer_name,
      row_number() over (
        partition by pattern_id, escape_formula(merchant_id), escape_formula(customer_id) order by detection_id
      ) as occurrence
    from detections
    where batch_no is null
  ),
  waiting_rows as (
    select
      batch_no,
      row_number,
      pattern_id,
      merchant_name,
      customer_name,
      row_number() over (
        partition by pattern_id, merchant_name, customer_name order by batch_no, row_number
      ) as occurrence
    from taken_over_rows
    where detection_id is null
  ),
  found_rows as (
    update taken_over_rows
    set detection_id = open_detections.detection_id
    from waiting_rows
    inner join open_detections using (pattern_id, merchant_name, customer_name, occurrence)
    where
      taken_over_rows.batch_no = waiting_rows.batch_no
      and taken_over_rows.row_number = waiting_rows.row_number
    returning taken_over_rows.batch_no, taken_over_rows.detection_id
  )
  update detections
  set batch_no = found_rows.batch_no
  from found_rows
  where detections.detection_id = found_rows.detection_id;
end;
$$;

comment on function bankpulse.place_detections() is
  'Puts open detections that stand in a taken-over file into that file''s batch.';
