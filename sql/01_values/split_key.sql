-- Splits an object key at its number (object_number), so that a run of keys that differ in it can be told by its ends.
-- In: a key. Out: one row: what stands before the number and behind it, how many digits it is written with, and the
-- number. A key without a usable number is key_head as a whole, with 0 digits and the number 0. No two keys are split
-- alike. Reads no table. It returns a set, because the planner inlines such a function.
create or replace function bankpulse.split_key(p_object_key text)
returns table (key_head text, key_tail text, digit_count integer, number bigint)
language sql immutable parallel safe
rows 1
begin atomic
  select
    case when is_numbered then parts[1] else p_object_key end collate "C",
    case when is_numbered then parts[3] else '' end collate "C",
    case when is_numbered then length(parts[2]) else 0 end,
    case when is_numbered then parts[2]::bigint else 0 end
  from (select regexp_match(p_object_key, '^((?:.*[^0-9])?)([0-9]+)([^0-9/]*)$')) as matches (parts)
  cross join lateral (select coalesce(length(parts[2]) <= 18, false)) as numbers (is_numbered);
end;

comment on function bankpulse.split_key(text) is 'A key split at its number: what stands before and behind it, its digits, the number.';
