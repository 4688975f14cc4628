-- Whether an object was applied, and its row was pruned from the ledger.
-- In: its key. Reads: pruned_objects, by index. Out: one row, true, if so; else none. It returns a set, because the
-- planner inlines such a function into the calling query: a call per key of a listing would cost ten times as much.
create or replace function bankpulse.known_as_pruned(p_object_key text) returns setof boolean
language sql stable
rows 1
begin atomic
  select true
  from (
    select runs.last_number, keys.number
    from bankpulse.split_key(p_object_key) as keys
    inner join bankpulse.pruned_objects as runs
      on runs.key_head = keys.key_head
      and runs.key_tail = keys.key_tail
      and runs.digit_count = keys.digit_count
      and runs.first_number <= keys.number
    order by runs.first_number desc
    limit 1
  ) as nearest_runs
  where last_number >= number;
end;

comment on function bankpulse.known_as_pruned(text) is
  'One row if the object was applied, and its row was pruned from the ledger; else none.';
