-- Empties the tables that the patterns remember their work in. Their detect functions then begin anew at each merchant
-- that a chunk touches.
-- Reads: patterns. Writes: the tables named in patterns.remembers.
create or replace function bankpulse.forget_remembered() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_table text;
begin
  for v_table in
    select distinct name
    from patterns
    cross join lateral unnest(remembers) as remembered (name)
    where to_regclass(format('bankpulse.%I', name)) is not null -- an audit may see patterns that are not in sql/
    order by name
  loop
    execute format('delete from %I', v_table);
  end loop;
end;
$$;

comment on function bankpulse.forget_remembered() is 'Empties the tables that the patterns remember their work in.';
