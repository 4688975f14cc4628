-- Records that a run ended in good order. In: the run. Writes: runs.
create or replace function bankpulse.end_run(p_run_id bigint) returns void
language sql volatile
begin atomic
  update bankpulse.runs
  set ended_at = greatest(clock_timestamp(), started_at) -- the clock may have been set back
  where run_id = p_run_id;
end;

comment on function bankpulse.end_run(bigint) is 'Records that a run ended in good order.';
