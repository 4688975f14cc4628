-- The detection that a row of a detection file reports, in words, for the audit's lines.
-- In: the row as an object, with the names of the columns as keys. Out: text with the names as the file has them,
-- escaped. Reads no table.
create or replace function bankpulse.describe_file_row(p_row jsonb) returns text
language sql immutable parallel safe
return bankpulse.describe_detection(p_row ->> 'patternId', p_row ->> 'MerchantId', p_row ->> 'customerName');

comment on function bankpulse.describe_file_row(jsonb) is 'The detection that a row of a detection file reports, in words.';
