-- Renews the three materialized views. Only an owner may refresh, so this runs with the owner's rights.
-- Readers of the views wait while it runs; it does not wait for them longer than two seconds, but fails
-- (lock_not_available) and is called again later. Writes: the materialized views.
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
