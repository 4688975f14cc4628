-- Which thresholds of a pattern a pair meets: the match function is asked with that threshold as it is and the others
-- as given. So a threshold is met exactly when the pattern says so, whatever a value in reason was rounded to.
-- In: the row of the pattern; the other thresholds, easier ones; the merchants to look at. Reads: what the match
-- function reads. Out: merchant and customer, with the name of each threshold that they meet.
create or replace function bankpulse.met_thresholds(
  p_pattern bankpulse.patterns,
  p_other_thresholds jsonb,
  p_merchant_ids text[]
) returns table (merchant_id text, customer_id text, name text)
language sql stable
begin atomic
  select matches.merchant_id, matches.customer_id, thresholds.name
  from bankpulse.each_threshold(p_pattern.thresholds) as thresholds
  cross join lateral bankpulse.matches_of(
    p_pattern, p_other_thresholds || jsonb_build_object(thresholds.name, thresholds.value), p_merchant_ids
  ) as matches;
end;

comment on function bankpulse.met_thresholds(bankpulse.patterns, jsonb, text[]) is
  'Which thresholds of a pattern each pair at these merchants meets.';
