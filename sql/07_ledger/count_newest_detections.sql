-- The newest detections, counted by pattern. A chunk's are the newest when it has just been applied, before its
-- transaction ends: nobody else can write any then.
-- In: how many. Reads: detections. Out: an object such as {"PatId1": 2, "PatId2": 1}.
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
