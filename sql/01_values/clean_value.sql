-- Removes surrounding ASCII white space, then one pair of surrounding single quotes, and nothing after that. BankSim
-- wraps every string in such quotes.
-- In: the field as it stands in the file. Out: the value that is stored and compared. Reads no table.
create or replace function bankpulse.clean_value(p_field text) returns text
language sql immutable parallel safe
return (
  select
    case
      when length(trimmed) >= 2 and left(trimmed, 1) = '''' and right(trimmed, 1) = ''''
        then substr(trimmed, 2, length(trimmed) - 2)
      else trimmed
    end
  from (select btrim(p_field, E' \t\n\x0b\f\r')) as fields (trimmed)
);

comment on function bankpulse.clean_value(text) is
  'The field without surrounding white space, then without one pair of surrounding single quotes.';
