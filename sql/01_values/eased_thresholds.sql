-- The thresholds made 10 % easier to meet: _from and _above lower, _below and _up_to higher. A negative one moves by
-- 10 % of its size, too. In: the thresholds. Out: the same names. Reads no table.
create or replace function bankpulse.eased_thresholds(p_thresholds jsonb) returns jsonb
language sql immutable parallel safe
return (
  select
    coalesce(
      jsonb_object_agg(
        name, value + case when comparison in ('from', 'above') then -0.1 else 0.1 end * abs(value)
      ),
      '{}'
    )
  from bankpulse.each_threshold(p_thresholds)
);

comment on function bankpulse.eased_thresholds(jsonb) is 'The thresholds made 10 % easier to meet.';
