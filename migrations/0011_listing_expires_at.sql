-- A listing says what waits only for a while: Y says for how long, since it depends on POLL_INTERVAL_MS.

-- Up Migration

alter table bankpulse.runs add column listing_expires_at timestamptz;
comment on column bankpulse.runs.listing_expires_at is
  'Until when the last listing says what waits: mechanism Y lists again before, unless it cannot.';

-- Down Migration

drop function if exists bankpulse.record_listing(bigint, bigint, timestamptz, interval);
alter table bankpulse.runs drop column listing_expires_at;
