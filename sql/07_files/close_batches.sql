-- Cuts the detections that are in no batch yet into batches of p_batch_rows, in detection order, and continues the
-- numbering. A shorter rest stays open unless p_flush is true. A closed batch never changes.
-- In: the caller's run, the size of a batch, the prefix of the files, whether to close a shorter rest too.
-- Reads and writes: detections, detection_batches, taken_over_rows. Out: the number of batches it closed. Raises BP001 (lease_lost).
create or replace function bankpulse.close_batches(
  p_run_id bigint,
  p_batch_rows bigint,
  p_detections_prefix text,
  p_flush boolean
) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_last_batch_no bigint;
  v_closed_count bigint;
begin
  perform hold_lease(p_run_id);
  perform place_detections();
  select coalesce(max(batch_no), 0) into v_last_batch_no from detection_batches;

  with open_detections as (
    select
      merchant_id,
      pattern_id,
      customer_id,
      v_last_batch_no + 1 + (row_number() over (order by detection_id) - 1) / p_batch_rows as batch_no
    from detections
    where batch_no is null
  ),
  closed_batches as (
    insert into detection_batches (batch_no, object_key, row_count)
    select
      batch_no,
      detection_file_key(p_detections_prefix, batch_no),
      count(*)
    from open_detections
    group by batch_no
    having p_flush or count(*) = p_batch_rows
    order by batch_no
    returning batch_no
  ),
  batched_detections as (
    update detections
    set batch_no = closed_batches.batch_no
    from open_detections
    inner join closed_batches on closed_batches.batch_no = open_detections.batch_no
    where
      detections.merchant_id = open_detections.merchant_id
      and detections.pattern_id = open_detections.pattern_id
      and detections.customer_id = open_detections.customer_id
  )
  select count(*) into v_closed_count from closed_batches;
  return v_closed_count;
end;
$$;

comment on function bankpulse.close_batches(bigint, bigint, text, boolean) is
  'Cuts open detections into batches; with p_flush a shorter last one too. Returns how many it closed.';
