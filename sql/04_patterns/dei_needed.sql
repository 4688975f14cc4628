-- PatId3, DEI-NEEDED: a merchant with more than 100 women among its customers, but fewer women than men.

-- Its meaning. It is about the merchant alone, so the customer is empty.
create or replace function bankpulse.match_dei_needed(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language sql stable
begin atomic
  select
    gender_counts.merchant_id,
    ''::text,
    jsonb_build_object('female_customers', gender_counts.female_count, 'male_customers', gender_counts.male_count)
  from (
    select
      merchant_id,
      count(*) filter (where gender = 'F') as female_count,
      count(*) filter (where gender = 'M') as male_count
    from bankpulse.customer_merchant_stats
    group by merchant_id
  ) as gender_counts
  where
    gender_counts.female_count > bankpulse.threshold(p_thresholds, 'female_customers_above')
    and gender_counts.female_count < gender_counts.male_count;
end;

comment on function bankpulse.match_dei_needed(jsonb) is
  'PatId3, DEI-NEEDED: merchants with more than 100 women among their customers, but fewer women than men.';

-- Its speed: the same among the merchants that the chunk touched, from their running totals.
create or replace function bankpulse.detect_dei_needed(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
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
  from touched_merchants
  where
    touched_merchants.female_count > v_female_customers_above
    and touched_merchants.female_count < touched_merchants.male_count;
end;
$$;

comment on function bankpulse.detect_dei_needed(jsonb) is 'PatId3, DEI-NEEDED: the touched merchants that satisfy it now.';

-- Its row and its sentence. Thresholds and is_enabled are the operator's: where the row exists, they stay.
insert into bankpulse.patterns (
  pattern_id, action_type, description, match_function, detect_function, reason_template, thresholds
) values (
  'PatId3', 'DEI-NEEDED', 'A merchant with many women among its customers, but fewer than men.',
  'match_dei_needed', 'detect_dei_needed',
  '{merchant} has many women among its customers, but fewer than men: {female_customers} women, {male_customers} men.',
  '{"female_customers_above": 100}'
)
on conflict (pattern_id) do update
set
  action_type = excluded.action_type,
  description = excluded.description,
  match_function = excluded.match_function,
  detect_function = excluded.detect_function,
  reason_template = excluded.reason_template;
