-- Takes a quarantined object out of the ledger: mechanism Y then finds it like any unseen one.
-- In: its key. Writes: chunks. Out: whether it was there.
-- Runs with its owner's rights, so that nobody else needs the right to delete from the ledger.
create or replace function bankpulse.retry_quarantined_chunk(p_object_key text) returns boolean
language plpgsql volatile security definer
set search_path = bankpulse, pg_temp
as $$
begin
  delete from chunks where object_key = p_object_key and status = 'quarantined';
  return found;
end;
$$;

comment on function bankpulse.retry_quarantined_chunk(text) is
  'Takes a quarantined object out of the ledger; returns whether it was there.';
