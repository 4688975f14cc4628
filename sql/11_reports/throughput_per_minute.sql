-- Chunks, rows and detections of each minute in which a chunk was applied, the newest first. Reads the ledger.
create or replace view bankpulse.throughput_per_minute as
select
  date_trunc('minute', chunks.applied_at) as minute,
  count(*) as chunk_count,
  sum(chunks.row_count)::bigint as row_count,
  sum(chunks.rejected_count)::bigint as rejected_count,
  sum(chunks.detection_count)::bigint as detection_count,
  round(avg(total_ms), 1) as average_chunk_ms
from bankpulse.chunks
cross join lateral bankpulse.chunk_ms(chunks.timings) as total_ms
where chunks.status = 'applied'
group by date_trunc('minute', chunks.applied_at)
order by minute desc;

comment on view bankpulse.throughput_per_minute is 'Chunks, rows and detections of each minute, the newest first.';
comment on column bankpulse.throughput_per_minute.minute is 'Beginning of the minute; those without a chunk are left out.';
comment on column bankpulse.throughput_per_minute.chunk_count is 'Chunks applied.';
comment on column bankpulse.throughput_per_minute.row_count is 'Rows accepted.';
comment on column bankpulse.throughput_per_minute.rejected_count is 'Rows rejected.';
comment on column bankpulse.throughput_per_minute.detection_count is 'New detections.';
comment on column bankpulse.throughput_per_minute.average_chunk_ms is 'Mean time of a chunk, all steps together, in milliseconds.';
