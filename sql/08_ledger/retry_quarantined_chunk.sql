-- Takes a quarantined object out of the ledger, so that mechanism Y finds it as an unseen object.
-- In: its key. Writes: chunks. Out: whether it was there.
-- Runs with its owner's rights, so that the calling role needs no right to delete from the ledger.
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
