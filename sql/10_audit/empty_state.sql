-- First half of a rebuild: empties the running state, in the transaction that fills it again, and what the patterns
-- remember. Ledger, detections, outbox and rejected rows stay.
-- In: the caller's run. Writes: customer_merchant_stats, merchant_stats, the tables named in patterns.remembers. Raises
-- BP001 (lease_lost).
-- It deletes and does not truncate, so that readers see the former state until the commit. Only the tables' owner may
-- call it: bankpulse_writer has no right to delete pairs and merchants.
create or replace function bankpulse.empty_state(p_run_id bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform hold_lease(p_run_id);
  delete from customer_merchant_stats;
  delete from merchant_stats;
  perform forget_remembered();
end;
$$;

comment on function bankpulse.empty_state(bigint) is 'Empties the running state, so that a rebuild can fill it again.';
