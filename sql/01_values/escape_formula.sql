-- A name as it may stand in a CSV file: spreadsheets run what begins with = + - @, tab or carriage return, so that
-- gets a single quote in front. Only files are escaped; the database has the raw value.
-- In: a name. Out: the same, or with ' in front. Reads no table.
create or replace function bankpulse.escape_formula(p_name text) returns text
language sql immutable parallel safe
return case when left(p_name, 1) in ('=', '+', '-', '@', E'\t', E'\r') then '''' || p_name else p_name end;

comment on function bankpulse.escape_formula(text) is
  'The name with a single quote in front if a spreadsheet would take it for a formula.';
