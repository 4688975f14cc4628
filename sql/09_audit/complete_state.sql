-- Second half of a rebuild: from customer_merchant_stats, which was just filled, everything else that is running state.
-- In: the caller's run. Reads: customer_merchant_stats, and what rebuild_upgrade_candidates reads. Writes:
-- merchant_stats, merchant_count_histogram, upgrade_candidates. Raises BP001 (lease_lost).
-- merchant_top_counts stays empty: each merchant counts as not looked at yet, so the next chunk that touches one looks
-- at all its candidates, and finds among them what holds then.
create or replace function bankpulse.complete_state(p_run_id bigint) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform hold_lease(p_run_id);

  insert into merchant_stats (merchant_id, transaction_count, customer_count, female_count, male_count)
  select
    merchant_id,
    sum(transaction_count),
    count(*),
    count(*) filter (where gender = 'F'),
    count(*) filter (where gender = 'M')
  from customer_merchant_stats
  group by merchant_id;

  insert into merchant_count_histogram (merchant_id, transaction_count, customer_count)
  select merchant_id, transaction_count, count(*)
  from customer_merchant_stats
  group by merchant_id, transaction_count;

  perform rebuild_upgrade_candidates();
end;
$$;

comment on function bankpulse.complete_state(bigint) is
  'Fills merchant_stats, merchant_count_histogram and upgrade_candidates from customer_merchant_stats.';
