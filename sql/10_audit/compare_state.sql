-- Compares the audited database's state with the state that the replay gives: its pairs, and what the derived_* views
-- compute from them. What the patterns remember follows from the rules of the last chunk, too; if these are not known
-- any more, it is left out.
-- Reads: pg_temp.audited_pairs, merchant_stats and the tables named in patterns.remembers, all copied from the audited
-- database; customer_merchant_stats, which the replay has filled; derived_*, and what use_rules_of reads. Writes: patterns;
-- the tables that the patterns remember: each is compared, then filled with what it must hold, because the derived_* view
-- of the next may read it. Out: differences, one a row.
create or replace function bankpulse.compare_state() returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_table text;
  v_last_chunk_no constant bigint := (select max(chunk_no) from chunks);
begin
  return query select * from compare_table(
    'customer_merchant_stats', 'pg_temp.audited_pairs', 'customer_merchant_stats', key_columns('customer_merchant_stats')
  );
  return query select * from compare_table(
    'merchant_stats', 'merchant_stats', 'derived_merchant_stats', key_columns('merchant_stats')
  );
  if v_last_chunk_no is not null and use_rules_of(v_last_chunk_no) is not null then
    return;
  end if;
  for v_table in
    select name
    from patterns
    cross join lateral unnest(remembers) with ordinality as remembered (name, place)
    where to_regclass(format('bankpulse.%I', name)) is not null -- a pattern that is not in sql/
    order by pattern_id, place
  loop
    return query select * from compare_table(
      v_table,
      format('bankpulse.%I', v_table)::regclass,
      format('bankpulse.%I', 'derived_' || v_table)::regclass,
      key_columns(format('bankpulse.%I', v_table)::regclass)
    );
    execute format('create temporary table right_rows on commit drop as select * from %I', 'derived_' || v_table);
    execute format('delete from %I', v_table);
    execute format('insert into %I select * from pg_temp.right_rows', v_table);
    drop table pg_temp.right_rows;
  end loop;
end;
$$;

comment on function bankpulse.compare_state() is
  'Differences between the audited database''s state and the state that the replay gives.';
