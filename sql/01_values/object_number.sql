-- The number in an object key: the last run of digits in its base name (7 for in/2026/chunk_7.csv).
-- In: a key; CHUNK_ORDER. Out: the number; null if there is none, or one of more than 18 digits, and always if chunks
-- go by name. Reads no table.
create or replace function bankpulse.object_number(p_object_key text, p_chunk_order text default 'number')
returns bigint
language sql immutable parallel safe
return (
  select case when p_chunk_order = 'number' and length(digits) <= 18 then digits::bigint end
  from (select substring(regexp_replace(p_object_key, '^.*/', ''), '([0-9]+)[^0-9]*$')) as names (digits)
);

comment on function bankpulse.object_number(text, text) is
  'Last run of digits in the base name of the key; null if there is none, it has more than 18 digits, or chunks go by name.';
