-- Lets a transaction find the session's staging tables by their names, whatever search_path its caller has.
-- Writes: the transaction's search_path.
create or replace function bankpulse.use_staging() returns void
language plpgsql volatile
as $$
begin
  perform set_config('search_path', bankpulse.staging_path(), true);
end;
$$;

comment on function bankpulse.use_staging() is 'Lets a transaction find the session''s staging tables by their names.';
