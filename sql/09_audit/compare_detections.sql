-- Compares the detections with those of the replay.
-- In: the first chunk that was judged again, and the last. Detections of earlier chunks are taken as given; chunks
-- after the last could not be replayed. Reads: detections, pg_temp.replayed_detections. Out: differences, one a row.
create or replace function bankpulse.compare_detections(p_first_judged_no bigint, p_last_judged_no bigint)
returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with judged_detections as (
    select * from detections where chunk_no >= p_first_judged_no
  ),
  judged_replays as (
    select * from pg_temp.replayed_detections where chunk_no >= p_first_judged_no
  )
  select
    describe_detection(pattern_id, merchant_id, customer_id) || ': '
    || case
      when found.chunk_no is null then format('missing: it holds after chunk %s, and is not detected', replayed.chunk_no)
      when replayed.chunk_no is null then format('extra: detected in chunk %s, and it never held', found.chunk_no)
      else format('wrong chunk: detected in chunk %s, and it first held after chunk %s', found.chunk_no, replayed.chunk_no)
    end
  from judged_detections as found
  full join judged_replays as replayed using (pattern_id, merchant_id, customer_id)
  where
    found.chunk_no is distinct from replayed.chunk_no
    and (replayed.chunk_no is not null or found.chunk_no <= p_last_judged_no)
  order by coalesce(replayed.chunk_no, found.chunk_no), pattern_id, merchant_id, customer_id;
end;
$$;

comment on function bankpulse.compare_detections(bigint, bigint) is
  'Differences between the detections and those of the replay.';
