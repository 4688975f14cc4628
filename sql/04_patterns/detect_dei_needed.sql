-- PatId3, DEI-NEEDED, among the merchants that the chunk touched: a merchant with more than 100 women among its
-- customers, but fewer women than men.
-- In: the pattern's thresholds. Reads: pg_temp.touched_merchants. Out: the touched merchants that satisfy it now.
create or replace function bankpulse.detect_dei_needed(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
-- a low estimate, so that the planner of the calling statement chooses index lookups into detections
rows 100
set search_path = bankpulse, pg_temp
as $$
declare
  v_female_customers_above constant numeric := threshold(p_thresholds, 'female_customers_above');
begin
  return query
  select
    touched_merchants.merchant_id,
    '',
    jsonb_build_object(
      'female_customers', touched_merchants.female_count,
      'male_customers', touched_merchants.male_count
    )
  from pg_temp.touched_merchants
  where
    touched_merchants.female_count > v_female_customers_above
    and touched_merchants.female_count < touched_merchants.male_count;
end;
$$;

comment on function bankpulse.detect_dei_needed(jsonb) is
  'PatId3, DEI-NEEDED: the touched merchants that satisfy it now.';
