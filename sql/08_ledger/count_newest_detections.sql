-- The newest detections, counted by pattern. Called after process_chunk in the same transaction, which holds the
-- lease, it counts those of that chunk: no other session can have written any since.
-- In: how many to count. Reads: detections, patterns. Out: an object of counts by pattern_id; every enabled
-- pattern is in it.
create or replace function bankpulse.count_newest_detections(p_count bigint) returns jsonb
language sql stable
return (
  select coalesce(jsonb_object_agg(pattern_id, detection_count), '{}')
  from (
    select pattern_id, sum(detection_count) as detection_count
    from (
      select pattern_id, 0 as detection_count
      from bankpulse.patterns
      where is_enabled
      union all
      select pattern_id, 1
      from (
        select pattern_id from bankpulse.detections order by detection_id desc limit p_count
      ) as newest_detections
    ) as counted
    group by pattern_id
  ) as pattern_counts
);

comment on function bankpulse.count_newest_detections(bigint) is 'The newest detections, counted by pattern; every enabled pattern is in it.';
