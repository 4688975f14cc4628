-- Compares the audited database's state with what the replay makes of the same chunks: pairs as they are, merchants
-- and their histogram as sums over the pairs, and what PatId1 remembers.
-- Reads: patterns, and what the comparisons read. Writes: what compare_candidates writes. Out: differences, one a row.
create or replace function bankpulse.compare_state() returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  return query select * from compare_pairs();
  return query select * from compare_merchants();
  return query select * from compare_histogram();

  -- while PatId1 is not looked for, nobody keeps what it remembers; it is built anew when that changes
  if exists (select from patterns where pattern_id = 'PatId1' and is_enabled) then
    return query select * from compare_candidates();
    return query select * from compare_top_counts();
  end if;
end;
$$;

comment on function bankpulse.compare_state() is
  'Differences between the audited database''s state and that of the replay.';
