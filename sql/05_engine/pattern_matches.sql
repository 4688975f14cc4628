-- What satisfies an enabled pattern now, detected or not, by the pattern's match function: the declarative statement of
-- all patterns. It reads the whole state each time. The detect functions find the same from what a chunk touched, and
-- share no code with it: that both agree after every chunk is the project's central test.
create or replace view bankpulse.pattern_matches as
select
  patterns.pattern_id,
  matches.merchant_id collate "C" as merchant_id,
  matches.customer_id collate "C" as customer_id,
  matches.reason
from bankpulse.patterns
cross join lateral bankpulse.matches_of(patterns, patterns.thresholds) as matches
where patterns.is_enabled;

comment on view bankpulse.pattern_matches is 'All that satisfies an enabled pattern now, by its match function.';
comment on column bankpulse.pattern_matches.pattern_id is 'The pattern.';
comment on column bankpulse.pattern_matches.merchant_id is 'The merchant.';
comment on column bankpulse.pattern_matches.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.pattern_matches.reason is 'The numbers that make it hold now.';
