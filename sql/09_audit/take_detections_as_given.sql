-- Copies the detections of the chunks that are not judged again into the replay, which then does not find them anew.
-- In: the first chunk that will be judged. Reads: detections. Writes: pg_temp.replayed_detections. Raises if
-- open_audit was not called in the session.
create or replace function bankpulse.take_detections_as_given(p_first_judged_no bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
  select pattern_id, merchant_id, customer_id, chunk_no
  from detections
  where chunk_no < p_first_judged_no;
end;
$$;

comment on function bankpulse.take_detections_as_given(bigint) is
  'Copies the detections of chunks before this one into the replay.';
