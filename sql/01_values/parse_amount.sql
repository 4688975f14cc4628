-- An amount or weight as an exact decimal, or null if it is not a valid one: an optional sign, digits with an
-- optional fraction (or a fraction alone), an optional exponent of at most two digits; at most 30 digits before and
-- 15 after the point once written out. NaN, infinities, 0x10 and 1_000, which some versions of numeric take, are not.
-- In: a cleaned value. Out: the number, or null. Reads no table.
create or replace function bankpulse.parse_amount(p_value text) returns numeric
language sql immutable parallel safe
return (
  select case when scale(amount) <= 15 and abs(amount) < 1e30 then amount end
  from (
    select
      case
        -- 200: more than any valid amount needs, less than numeric itself could refuse with an error
        when length(p_value) <= 200 and p_value ~ '^[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)(e[+-]?[0-9]{1,2})?$'
          then p_value::numeric
      end
  ) as amounts (amount)
);

comment on function bankpulse.parse_amount(text) is
  'The value as an exact decimal, or null if it is no valid amount or weight.';
