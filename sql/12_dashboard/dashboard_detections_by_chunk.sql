-- New detections of the newest 240 chunks by pattern, for the dashboard's chart. A chunk without detections has no
-- row. Detections are numbered in the order of chunks, so those of the newest chunks are the newest detections, which
-- the index finds.
create or replace view bankpulse.dashboard_detections_by_chunk as
with newest_detections as (
  select chunk_no, pattern_id
  from bankpulse.detections
  order by detection_id desc
  limit (select sum(detection_count)::bigint from bankpulse.dashboard_chunks)
)
select chunk_no, pattern_id, count(*) as detection_count
from newest_detections
group by chunk_no, pattern_id;

comment on view bankpulse.dashboard_detections_by_chunk is 'New detections of the newest 240 chunks, by pattern.';
comment on column bankpulse.dashboard_detections_by_chunk.chunk_no is 'The chunk.';
comment on column bankpulse.dashboard_detections_by_chunk.pattern_id is 'The pattern.';
comment on column bankpulse.dashboard_detections_by_chunk.detection_count is 'New detections of the pattern after the chunk.';
