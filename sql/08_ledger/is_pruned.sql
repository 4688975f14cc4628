-- Whether an object was applied, and its row was pruned from the ledger.
-- In: its key. Reads: pruned_objects, by index.
create or replace function bankpulse.is_pruned(p_object_key text) returns boolean
language sql stable
return coalesce(
  (
    select runs.last_number >= keys.number
    from bankpulse.split_key(p_object_key) as keys
    inner join bankpulse.pruned_objects as runs
      on runs.key_head = keys.key_head
      and runs.key_tail = keys.key_tail
      and runs.digit_count = keys.digit_count
      and runs.first_number <= keys.number
    order by runs.first_number desc
    limit 1
  ),
  false
);

comment on function bankpulse.is_pruned(text) is 'Whether the object was applied, and its row was pruned from the ledger.';
