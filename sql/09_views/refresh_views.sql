-- Renews the three materialized views. Only an owner may refresh them, so the function runs with its owner's rights.
-- Readers of the views wait while it runs. It waits for a reader at most two seconds, then fails with
-- lock_not_available; the caller calls it again later. Writes: the materialized views.
create or replace function bankpulse.refresh_views() returns void
language plpgsql volatile security definer
set search_path = bankpulse, pg_temp
set lock_timeout = '2s'
as $$
begin
  refresh materialized view customer_percentiles;
  refresh materialized view customer_averages;
  refresh materialized view merchant_gender_counts;
end;
$$;

comment on function bankpulse.refresh_views() is
  'Renews customer_percentiles, customer_averages and merchant_gender_counts.';
