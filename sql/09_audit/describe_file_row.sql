-- The detection that a row of a detection file is about, in words, for the audit's lines.
-- In: the row, by the columns' names. Out: text; names in it are escaped as in the file. Reads no table.
create or replace function bankpulse.describe_file_row(p_row jsonb) returns text
language sql immutable parallel safe
return bankpulse.describe_detection(p_row ->> 'patternId', p_row ->> 'MerchantId', p_row ->> 'customerName');

comment on function bankpulse.describe_file_row(jsonb) is 'The detection that a row of a detection file is about, in words.';
