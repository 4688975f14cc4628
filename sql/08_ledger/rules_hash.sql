-- Hash of the rules as they are now, see present_rules. Out: the hash.
create or replace function bankpulse.rules_hash() returns text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return (select rules_hash from present_rules());
end;
$$;

comment on function bankpulse.rules_hash() is 'Hash of the rules as they are now.';
