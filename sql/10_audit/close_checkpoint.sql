-- Second half of storing a checkpoint, in the transaction of open_checkpoint: checks the pairs that were filled in.
-- Reads: what check_checkpoint reads. Raises BP009 (checkpoint_differs) if they do not agree with the ledger's counts.
create or replace function bankpulse.close_checkpoint() returns void
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_difference constant text := check_checkpoint();
begin
  if v_difference is not null then
    raise exception '%', v_difference using errcode = 'BP009';
  end if;
end;
$$;

comment on function bankpulse.close_checkpoint() is 'Checks the pairs of a new checkpoint against the ledger''s counts.';
