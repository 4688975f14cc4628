-- The percent_rank of a value, for display: the share of the other values that are strictly smaller, to 6 decimals.
-- Conditions never use it: they compare whole numbers and decimals exactly.
-- In: the number of strictly smaller values, and the number of values. Out: 0 to 1; 0 for a single value. Reads no
-- table.
create or replace function bankpulse.share_below(p_smaller_count bigint, p_count bigint) returns numeric
language sql immutable parallel safe
return round(p_smaller_count::numeric / greatest(p_count - 1, 1), 6);

comment on function bankpulse.share_below(bigint, bigint) is
  'percent_rank, rounded to 6 decimals for display.';
