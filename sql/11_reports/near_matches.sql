-- Pairs and merchants that are near to a detection: the pattern does not hold now and was not detected, but it would
-- hold if each of its thresholds were 10 % easier to meet. For every enabled pattern, by its match function.
create or replace view bankpulse.near_matches as
select
  patterns.pattern_id,
  patterns.action_type,
  near.merchant_id collate "C" as merchant_id,
  near.customer_id collate "C" as customer_id,
  near.missing_text,
  near.standing
from bankpulse.patterns
cross join lateral bankpulse.find_near_matches(patterns) as near
where patterns.is_enabled;

comment on view bankpulse.near_matches is
  'Near to a detection: not detected, and every threshold of the pattern is met or missed by at most 10 %.';
comment on column bankpulse.near_matches.pattern_id is 'The pattern.';
comment on column bankpulse.near_matches.action_type is 'The action that the merchant would have to take.';
comment on column bankpulse.near_matches.merchant_id is 'The merchant.';
comment on column bankpulse.near_matches.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.near_matches.missing_text is 'The thresholds that are missed, in words.';
comment on column bankpulse.near_matches.standing is 'The present numbers, named as in detections.reason.';
