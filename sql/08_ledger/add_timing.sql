-- Adds the time that a step took, from its start until now.
-- In: the timings so far, the step's name, when it began. Out: the timings with this step, in milliseconds to 3
-- decimals. Reads no table.
create or replace function bankpulse.add_timing(p_timings jsonb, p_step text, p_started_at timestamptz) returns jsonb
language sql volatile
return p_timings || jsonb_build_object(
  p_step, round((extract(epoch from clock_timestamp() - p_started_at) * 1000)::numeric, 3)
);

comment on function bankpulse.add_timing(jsonb, text, timestamptz) is 'The timings with one more step, in milliseconds.';
