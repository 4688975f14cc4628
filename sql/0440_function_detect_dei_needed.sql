-- PatId3, DEI-NEEDED, from what the chunk touched: a merchant with more than 100 women among its customers, but
-- fewer women than men. Only a new customer can make it true.
-- In: the pattern's thresholds. Reads: pg_temp.touched_pairs, merchant_stats. Out: the merchants that satisfy it now.
create or replace function bankpulse.detect_dei_needed(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
-- few rows expected: keeps the planner of the calling statement on index lookups into detections
rows 100
set search_path = bankpulse, pg_temp
as $$
declare
  v_female_customers_above constant numeric := threshold(p_thresholds, 'female_customers_above');
begin
  return query
  select
    stats.merchant_id,
    '',
    jsonb_build_object('female_customers', stats.female_count, 'male_customers', stats.male_count)
  from merchant_stats as stats
  where
    stats.merchant_id in (select touched_pairs.merchant_id from pg_temp.touched_pairs where touched_pairs.is_new)
    and stats.female_count > v_female_customers_above
    and stats.female_count < stats.male_count;
end;
$$;

comment on function bankpulse.detect_dei_needed(jsonb) is
  'PatId3, DEI-NEEDED: the merchants with new customers that satisfy it now.';
