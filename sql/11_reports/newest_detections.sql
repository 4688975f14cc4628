-- The newest detections with their sentences, for the log. Called after process_chunk in the same transaction, it gives
-- the last of that chunk.
-- In: how many. Reads: detection_reasons. Out: pattern and sentence, in the order of detection. In PL/pgSQL, because
-- PostgreSQL then plans the query once for a session, and not at each chunk.
create or replace function bankpulse.newest_detections(p_count bigint)
returns table (pattern_id text, reason_text text)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select newest.pattern_id::text, newest.reason_text
  from (select * from detection_reasons order by detection_id desc limit p_count) as newest
  order by newest.detection_id;
end;
$$;

comment on function bankpulse.newest_detections(bigint) is 'The newest detections with their sentences.';
