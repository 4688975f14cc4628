-- Whether the checkpoint agrees with the ledger's counts: every accepted row is a transaction of one pair.
-- Reads: checkpoint, checkpoint_pairs. Out: the difference in words; null if there is none, or no checkpoint.
create or replace function bankpulse.check_checkpoint() returns text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_checkpoint checkpoint;
  v_transaction_count numeric;
begin
  select * into v_checkpoint from checkpoint;
  select coalesce(sum(transaction_count), 0) into v_transaction_count from checkpoint_pairs;
  if v_transaction_count <> v_checkpoint.row_count then
    return format(
      'checkpoint of chunk %s: its pairs have %s transactions, the chunks up to it had %s rows accepted',
      v_checkpoint.chunk_no, v_transaction_count, v_checkpoint.row_count
    );
  end if;
  return null;
end;
$$;

comment on function bankpulse.check_checkpoint() is
  'How the checkpoint differs from the ledger''s counts; null if it does not.';
