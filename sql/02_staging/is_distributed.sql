-- Whether the running state is distributed over the workers of Citus. The lanes alone do not tell: a dump holds them, and
-- may be restored on one PostgreSQL.
-- Reads: pg_dist_partition, if there is one. Out: true or false.
create or replace function bankpulse.is_distributed() returns boolean
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  if to_regclass('pg_catalog.pg_dist_partition') is null then
    return false;
  end if;
  return exists (select from pg_dist_partition where logicalrelid = to_regclass('customer_merchant_stats'));
end;
$$;

comment on function bankpulse.is_distributed() is 'Whether the running state is distributed over the workers of Citus.';
