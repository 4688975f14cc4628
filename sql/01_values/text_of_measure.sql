-- A value of a reason as its threshold limits it, as text for people: as readable_value shows it, and a percent rank as a
-- percentage. Decimals are cut off and not rounded, so that 89.999 % does not read as the 90 % that it must reach.
-- In: the key of the value; the value. Out: text such as 80, 22.85 or 85.12 %; null for null. Reads no table.
create or replace function bankpulse.text_of_measure(p_reason_key text, p_value jsonb) returns text
language sql stable parallel safe
return case
  when p_reason_key like '%percent\_rank' and jsonb_typeof(p_value) = 'number'
  then trim_scale(trunc(100 * p_value::numeric, 2)) || ' %'
  else bankpulse.readable_value(p_value)
end;

comment on function bankpulse.text_of_measure(text, jsonb) is 'A value of a reason as text for people; percent ranks as percentages.';
