-- Second half of a rebuild: fills merchant_stats from customer_merchant_stats, which the caller has filled, and counts
-- the totals. What the patterns remember stays empty, so their detect functions begin anew at each merchant that a chunk
-- touches.
-- In: the caller's run. Reads: derived_merchant_stats, and what recount_totals reads. Writes: merchant_stats, and what
-- recount_totals writes. Raises BP001 (lease_lost).
create or replace function bankpulse.complete_state(p_run_id bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform hold_lease(p_run_id);
  insert into merchant_stats select * from derived_merchant_stats;
  perform recount_totals();
end;
$$;

comment on function bankpulse.complete_state(bigint) is 'Fills merchant_stats from customer_merchant_stats, and counts the totals.';
