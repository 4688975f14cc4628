-- The gender of a row with its place in the file in front, in ten digits: the least of a pair's placed genders ends with
-- the gender of its first row. src/loader/plain.ts writes the same.
-- In: place, gender. Out: ten digits and the gender.
create or replace function bankpulse.placed_gender(p_place bigint, p_gender text) returns text
language sql immutable
return lpad(p_place::text, 10, '0') || p_gender;

comment on function bankpulse.placed_gender(bigint, text) is
  'The gender of a row with its place in the file in front, in ten digits.';
