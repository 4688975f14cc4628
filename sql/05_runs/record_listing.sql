-- Notes what the last listing saw, for pipeline_status.
-- In: the run; how many objects wait, and since when the oldest of them lies in S3. Writes: runs.
create or replace function bankpulse.record_listing(
  p_run_id bigint,
  p_pending_count bigint,
  p_oldest_pending_at timestamptz
) returns void
language sql volatile
begin atomic
  update bankpulse.runs
  set pending_count = p_pending_count, oldest_pending_at = p_oldest_pending_at, listed_at = clock_timestamp()
  where run_id = p_run_id;
end;

comment on function bankpulse.record_listing(bigint, bigint, timestamptz) is 'Notes what the last listing saw.';
