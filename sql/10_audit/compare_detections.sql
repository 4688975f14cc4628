-- Compares the detections with those of the replay.
-- In: the last chunk that was replayed; the detections of later ones are not compared. Those of chunks that could not be
-- judged again are in the replay as they are. Reads: detections, pg_temp.replayed_detections. Out: differences, one a
-- row.
create or replace function bankpulse.compare_detections(p_last_replayed_no bigint) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select
    describe_detection(pattern_id, merchant_id, customer_id) || ': '
    || case
      when found.chunk_no is null then format('missing: it holds after chunk %s, and is not detected', replayed.chunk_no)
      when replayed.chunk_no is null then format('extra: detected in chunk %s, and it never held', found.chunk_no)
      else format('wrong chunk: detected in chunk %s, and it first held after chunk %s', found.chunk_no, replayed.chunk_no)
    end
  from detections as found
  full join pg_temp.replayed_detections as replayed using (pattern_id, merchant_id, customer_id)
  where
    found.chunk_no is distinct from replayed.chunk_no
    and (replayed.chunk_no is not null or found.chunk_no <= p_last_replayed_no)
  order by coalesce(replayed.chunk_no, found.chunk_no), pattern_id, merchant_id, customer_id;
end;
$$;

comment on function bankpulse.compare_detections(bigint) is
  'Differences between the detections and those of the replay.';
