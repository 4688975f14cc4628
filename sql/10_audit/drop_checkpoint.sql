-- Removes the checkpoint, so that the next audit begins at the first chunk. Only the tables' owner may call it.
-- Reads: pruned_objects. Writes: checkpoint, checkpoint_pairs. Raises 55000 if chunks were pruned: the audit needs it then.
create or replace function bankpulse.drop_checkpoint() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  if exists (select from pruned_objects) then
    raise exception 'chunks were pruned: without the checkpoint nothing can be replayed' using errcode = '55000';
  end if;
  delete from checkpoint_pairs;
  delete from checkpoint;
end;
$$;

comment on function bankpulse.drop_checkpoint() is 'Removes the checkpoint, unless chunks were pruned.';
