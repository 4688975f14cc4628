-- A number as text for people, with commas between thousands.
-- In: the number, and the number of decimals to round to. Out: text such as 1,829.40. Reads no table.
create or replace function bankpulse.readable_number(p_number numeric, p_decimals integer default 0) returns text
language sql stable parallel safe
return to_char(
  round(p_number, p_decimals),
  'FM' || repeat('999,', 20) || '990' || case when p_decimals > 0 then '.' || repeat('0', p_decimals) else '' end
);

comment on function bankpulse.readable_number(numeric, integer) is 'The number with commas between thousands, rounded.';
