-- An amount or weight as an exact decimal, or null if it is not a valid one: an optional sign, digits with an
-- optional fraction (or a fraction alone), an optional exponent of at most two digits; at most 30 digits before and
-- 15 after the point once written out. NaN, infinities, 0x10 and 1_000 are not valid, though some versions of
-- PostgreSQL cast them to numeric.
-- In: a cleaned value. Out: the number, or null. Reads no table.
create or replace function bankpulse.parse_amount(p_value text) returns numeric
language sql immutable parallel safe
return (
  select case when scale(amount) <= 15 and abs(amount) < 1e30 then amount end
  from (
    select
      case
        -- 200 characters are more than a valid amount needs, and too few to make the cast to numeric fail
        when length(p_value) <= 200 and p_value ~ '^[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$'
          then p_value::numeric
      end
  ) as amounts (amount)
);

comment on function bankpulse.parse_amount(text) is
  'The value as an exact decimal, or null if it is not a valid amount or weight.';
