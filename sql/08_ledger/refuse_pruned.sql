-- Trigger, the last guard of exactly once: refuses a row of the ledger for an applied object that was pruned, or whose
-- number was, as the ledger's unique keys refuse one that is in it. A former version, which does not know
-- pruned_objects, fails by it.
-- Reads: pruned_objects. Raises BP003 (object_in_ledger).
create or replace function bankpulse.refuse_pruned() returns trigger
language plpgsql
set search_path = bankpulse, pg_temp
as $$
begin
  if exists (select from known_as_pruned(new.object_key)) or is_number_applied(new.object_number) then
    raise exception 'the object was applied, and pruned from the ledger' using errcode = 'BP003';
  end if;
  return new;
end;
$$;

comment on function bankpulse.refuse_pruned() is 'Trigger: refuses an applied object that was pruned from the ledger.';

create or replace trigger refuse_pruned before insert on bankpulse.chunks
for each row when (new.status = 'applied') execute function bankpulse.refuse_pruned();
