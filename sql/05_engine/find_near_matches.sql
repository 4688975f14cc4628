-- What is near to a detection by one pattern, see near_matches.
-- In: the row of the pattern. Reads: detections, and what the match function reads: once all of the state, then only
-- the merchants that have something near. Out: merchant, customer, what is missing in words, and the present numbers.
create or replace function bankpulse.find_near_matches(p_pattern bankpulse.patterns)
returns table (merchant_id text, customer_id text, missing_text text, standing jsonb)
language plpgsql stable
rows 100
set search_path = bankpulse, pg_temp
as $$
declare
  v_eased constant jsonb := eased_thresholds(p_pattern.thresholds);
begin
  return query
  with eased_matches as materialized (
    select matches.*
    from matches_of(p_pattern, v_eased) as matches
    where
      not exists (
        select from detections
        where
          detections.merchant_id = matches.merchant_id collate "C"
          and detections.pattern_id = p_pattern.pattern_id
          and detections.customer_id = matches.customer_id collate "C"
      )
  ),
  merchants as materialized (
    select coalesce(array_agg(distinct eased_matches.merchant_id), '{}') as merchant_ids from eased_matches
  ),
  present_matches as materialized (
    select matches.*
    from merchants
    cross join lateral matches_of(p_pattern, p_pattern.thresholds, merchants.merchant_ids) as matches
  ),
  met as materialized (
    select thresholds.*
    from merchants
    cross join lateral met_thresholds(p_pattern, v_eased, merchants.merchant_ids) as thresholds
  )
  select
    eased_matches.merchant_id,
    eased_matches.customer_id,
    coalesce(
      (
        select
          string_agg(
            describe_lack(thresholds.reason_key, thresholds.comparison, thresholds.value, eased_matches.reason),
            '; ' order by thresholds.place
          )
        from each_threshold(p_pattern.thresholds) as thresholds
        where
          not exists (
            select from met
            where
              met.merchant_id = eased_matches.merchant_id
              and met.customer_id = eased_matches.customer_id
              and met.name = thresholds.name
          )
      ),
      'each threshold is met, but not all at once'
    ),
    eased_matches.reason
  from eased_matches
  where
    not exists (
      select from present_matches
      where
        present_matches.merchant_id = eased_matches.merchant_id
        and present_matches.customer_id = eased_matches.customer_id
    );
end;
$$;

comment on function bankpulse.find_near_matches(bankpulse.patterns) is 'What is near to a detection by one pattern, and what is missing.';
