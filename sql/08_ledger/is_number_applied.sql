-- Whether an object with this number was applied, if chunks go by number: each number is applied once.
-- In: the number; null if chunks go by name. Reads: chunks, and pruned_objects, whose runs have no number in common,
-- by index.
create or replace function bankpulse.is_number_applied(p_object_number bigint) returns boolean
language sql stable
return exists (select from bankpulse.chunks where object_number = p_object_number and status = 'applied')
  or coalesce(
    (
      select last_number >= p_object_number
      from bankpulse.pruned_objects
      where first_number <= p_object_number
      order by first_number desc
      limit 1
    ),
    false
  );

comment on function bankpulse.is_number_applied(bigint) is 'Whether an object with this number was applied, pruned or not.';
