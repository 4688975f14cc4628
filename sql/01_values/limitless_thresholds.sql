-- Thresholds that every number meets: minus infinity for _from and _above, infinity for _below and _up_to. A match
-- function gives with them all that it can compare at all. JSON has no infinities, so they are strings.
-- In: the thresholds. Out: the same names. Reads no table.
create or replace function bankpulse.limitless_thresholds(p_thresholds jsonb) returns jsonb
language sql immutable parallel safe
return (
  select
    coalesce(
      jsonb_object_agg(name, case when comparison in ('from', 'above') then '-Infinity' else 'Infinity' end), '{}'
    )
  from bankpulse.each_threshold(p_thresholds)
);

comment on function bankpulse.limitless_thresholds(jsonb) is 'Thresholds that every number meets, under the same names.';
