-- The lane that open_staging took for this session: the schema of its staging tables on a distributed database. Out: its
-- name; null on one PostgreSQL, where the staging tables are temporary.
create or replace function bankpulse.staging_lane() returns text
language sql stable
return nullif(current_setting('bankpulse.staging_lane', true), '');

comment on function bankpulse.staging_lane() is
  'The schema of the session''s staging tables on a distributed database; null if they are temporary.';
