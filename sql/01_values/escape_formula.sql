-- Puts a single quote in front of a name that a spreadsheet would run as a formula: one that begins with = + - @, tab
-- or carriage return. Only the detection files hold escaped names; the database holds the raw value.
-- In: a name. Out: the same name, or the name with ' in front. Reads no table.
create or replace function bankpulse.escape_formula(p_name text) returns text
language sql immutable parallel safe
return case when left(p_name, 1) in ('=', '+', '-', '@', E'\t', E'\r') then '''' || p_name else p_name end;

comment on function bankpulse.escape_formula(text) is
  'The name, with a single quote in front if a spreadsheet would run it as a formula.';
