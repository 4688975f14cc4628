-- Why a customer of a merchant is detected, or is not: for every enabled pattern each of its thresholds with the
-- present value, and whether it is met. The match function with limitless thresholds gives the values, and whether the
-- conditions that have no threshold hold: if they do not, it gives no value, and a row says so.
-- In: merchant and customer. A pattern about merchants alone is explained for the merchant. Reads: patterns,
-- detections, and what the match functions read about the merchant. Out: rows in the order of pattern and threshold:
--   condition            name of the threshold; "other conditions" if these do not hold
--   value, threshold     what is compared; null if unknown
--   is_met               null if the value is unknown
--   detected_in_chunk    the chunk after which the pattern was detected here; null if it was not
create or replace function bankpulse.explain_pair(p_merchant_id text, p_customer_id text)
returns table (
  pattern_id text,
  condition text,
  value numeric,
  threshold numeric,
  is_met boolean,
  detected_in_chunk bigint
)
language sql stable
begin atomic
  with explained_patterns as (
    select
      patterns as pattern,
      patterns.thresholds,
      bankpulse.limitless_thresholds(patterns.thresholds) as limitless,
      (
        select min(detections.chunk_no)
        from bankpulse.detections
        where
          detections.merchant_id = p_merchant_id
          and detections.pattern_id = patterns.pattern_id
          and detections.customer_id in (p_customer_id, '')
      ) as detected_in_chunk
    from bankpulse.patterns
    where patterns.is_enabled
  ),
  compared_patterns as (
    select explained_patterns.*, matches.customer_id, matches.reason
    from explained_patterns
    left join lateral bankpulse.matches_of(pattern, limitless, array[p_merchant_id]) as matches
      on matches.customer_id in (p_customer_id, '')
  ),
  conditions (pattern_id, condition, place, value, threshold, is_met, detected_in_chunk) as (
    select
      (pattern).pattern_id,
      thresholds.name,
      thresholds.place,
      case jsonb_typeof(reason -> thresholds.reason_key) when 'number' then (reason -> thresholds.reason_key)::numeric end,
      thresholds.value,
      case
        when reason is not null then exists (
          select from bankpulse.matches_of(
            pattern, limitless || jsonb_build_object(thresholds.name, thresholds.value), array[p_merchant_id]
          ) as matches
          where matches.customer_id = compared_patterns.customer_id
        )
      end,
      compared_patterns.detected_in_chunk
    from compared_patterns
    cross join lateral bankpulse.each_threshold(thresholds) as thresholds
    union all
    select (pattern).pattern_id, 'other conditions', null, null, null, false, compared_patterns.detected_in_chunk
    from compared_patterns
    where reason is null
  )
  select pattern_id, condition, value, threshold, is_met, detected_in_chunk
  from conditions
  order by pattern_id, place;
end;

comment on function bankpulse.explain_pair(text, text) is
  'Each condition of each enabled pattern for a customer of a merchant: value, threshold, and whether it is met.';
