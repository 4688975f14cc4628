-- Second half of a rebuild: fills all other running state from customer_merchant_stats, which the caller has filled.
-- In: the caller's run. Reads: derived_merchant_stats, derived_merchant_count_histogram, derived_upgrade_candidates
-- and the tables they read. Writes: merchant_stats, merchant_count_histogram, upgrade_candidates,
-- merchant_top_counts. Raises BP001 (lease_lost). merchant_top_counts stays empty, so the next chunk that touches a
-- merchant looks at all its candidates.
create or replace function bankpulse.complete_state(p_run_id bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform hold_lease(p_run_id);
  insert into merchant_stats select * from derived_merchant_stats;
  insert into merchant_count_histogram select * from derived_merchant_count_histogram;
  perform rebuild_upgrade_candidates();
end;
$$;

comment on function bankpulse.complete_state(bigint) is
  'Fills merchant_stats, merchant_count_histogram and upgrade_candidates from customer_merchant_stats.';
