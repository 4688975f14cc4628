-- The newest detections, counted by pattern. Called after process_chunk in the same transaction, which holds the
-- lease, it counts those of that chunk: no other session can have written any since.
-- In: how many to count. Reads: detections. Out: an object such as {"PatId1": 2, "PatId2": 1}.
create or replace function bankpulse.count_newest_detections(p_count bigint) returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(pattern_id, detection_count), '{}')
  from (
    select pattern_id, count(*) as detection_count
    from (
      select pattern_id from bankpulse.detections order by detection_id desc limit p_count
    ) as newest_detections
    group by pattern_id
  ) as pattern_counts
);

comment on function bankpulse.count_newest_detections(bigint) is 'The newest detections, counted by pattern.';
