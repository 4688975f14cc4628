-- Records the result of the last listing, for pipeline_status.
-- In: the run; the number of waiting objects, and since when the oldest of them has been in S3; for how long that holds.
-- Writes: runs.
-- of an older version; a Y of that version calls the new one with three arguments
drop function if exists bankpulse.record_listing(bigint, bigint, timestamptz);

create or replace function bankpulse.record_listing(
  p_run_id bigint,
  p_pending_count bigint,
  p_oldest_pending_at timestamptz,
  p_valid_for interval default interval '15 s'
) returns void
language sql volatile
begin atomic
  update bankpulse.runs
  set
    pending_count = p_pending_count, oldest_pending_at = p_oldest_pending_at, listed_at = clock_timestamp(),
    listing_expires_at = clock_timestamp() + p_valid_for
  where run_id = p_run_id;
end;

comment on function bankpulse.record_listing(bigint, bigint, timestamptz, interval) is
  'Records how many objects the last listing found waiting.';
