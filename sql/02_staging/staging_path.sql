-- The search_path by which the session's staging tables are found: those of its lane, or temporary ones. Out: the path.
create or replace function bankpulse.staging_path() returns text
language sql stable
return concat_ws(', ', 'bankpulse', bankpulse.staging_lane(), 'pg_temp');

comment on function bankpulse.staging_path() is 'The search_path by which the session''s staging tables are found.';
