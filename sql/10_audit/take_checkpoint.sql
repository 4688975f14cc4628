-- Stores the state as it is as the checkpoint, without a replay. To be called in a transaction that reads
-- all tables as of one moment (src/audit/snapshot.ts). Only the tables' owner may call it.
-- Reads: chunks, customer_merchant_stats. Writes: checkpoint, checkpoint_pairs. Raises BP009 (checkpoint_differs) if the
-- state does not agree with the ledger's counts.
create or replace function bankpulse.take_checkpoint() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform open_checkpoint((select max(chunk_no) from chunks), false);
  insert into checkpoint_pairs (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant_id, customer_id, gender, transaction_count, total_amount
  from customer_merchant_stats;
  perform close_checkpoint();
end;
$$;

comment on function bankpulse.take_checkpoint() is 'Stores the state as it is as the checkpoint, without a replay.';
