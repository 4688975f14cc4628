-- PatId1 sees by the former number whether the lower end of the top share has fallen; it is stored, so that each worker of a
-- distributed database sees it for its merchants.

-- Up Migration

-- sql/ has one with an argument now
drop function if exists bankpulse.write_touched_pairs();

alter table bankpulse.merchant_top_counts add column former_top_count bigint;
comment on column bankpulse.merchant_top_counts.former_top_count is
  'top_count before the last chunk that touched the merchant; null at the first.';

-- Down Migration

alter table bankpulse.merchant_top_counts drop column former_top_count;
