-- A value of a reason, or a threshold, as text for people: a whole number as it is; another with two decimals, or, if it
-- is between -1 and 1, with up to four. Decimals are cut off and not rounded, so that 22.999 does not read as the 23.00
-- that it must stay below.
-- In: the value; whether to show a share as a percentage, rounded to one decimal. Out: text such as 80, 1,829.40, 0.9021
-- or 90.2 %; a string as it is; null for null. Reads no table.
create or replace function bankpulse.readable_value(p_value jsonb, p_is_percentage boolean default false) returns text
language sql stable parallel safe
return case
  when jsonb_typeof(p_value) <> 'number' then p_value #>> '{}'
  when p_is_percentage then bankpulse.readable_number(100 * p_value::numeric, 1) || ' %'
  when scale(p_value::numeric) = 0 then bankpulse.readable_number(p_value::numeric)
  when abs(p_value::numeric) < 1 then trim_scale(trunc(p_value::numeric, 4))::text
  else bankpulse.readable_number(trunc(p_value::numeric, 2), 2)
end;

comment on function bankpulse.readable_value(jsonb, boolean) is 'A value of a reason as text for people; shares on demand as percentages.';
