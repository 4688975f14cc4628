-- The time that a chunk took, all steps together.
-- In: its timings. Out: one row, milliseconds; null if there are no timings. Reads no table. It returns a set,
-- because the planner inlines such a function into the calling query: a call per chunk would cost five times as much.
create or replace function bankpulse.chunk_ms(p_timings jsonb) returns setof numeric
language sql immutable parallel safe
rows 1
begin atomic
  select sum(value::numeric) from jsonb_each_text(p_timings);
end;

comment on function bankpulse.chunk_ms(jsonb) is 'The time that a chunk took, all steps together, in milliseconds.';
