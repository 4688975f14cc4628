-- The runs that ended before p_before and that no chunk, detection or lease refers to. A run without an end may be that
-- of a Y that stands by and takes the lease later: it stays.
-- Reads: runs, chunks, detections, pipeline_lease. Out: their numbers.
create or replace function bankpulse.prunable_runs(p_before timestamptz) returns table (run_id bigint)
language sql stable
begin atomic
  select runs.run_id
  from bankpulse.runs
  where
    runs.ended_at < p_before
    and not exists (select from bankpulse.chunks where chunks.run_id = runs.run_id)
    and not exists (select from bankpulse.detections where detections.run_id = runs.run_id)
    and not exists (select from bankpulse.pipeline_lease where pipeline_lease.run_id = runs.run_id);
end;

comment on function bankpulse.prunable_runs(timestamptz) is 'The runs that ended before a time and that nothing refers to.';
