-- The exact sum of amounts, as sum() gives it, for many groups of a few rows: sum() sets up an accumulator for each group, which
-- takes longer than adding up the two amounts that a pair has in a chunk.
-- Out: the sum; null of no amounts. Reads no table.
create or replace aggregate bankpulse.add_up(numeric) (
  sfunc = numeric_add,
  stype = numeric
);

comment on aggregate bankpulse.add_up(numeric) is 'The exact sum of amounts, fast for groups of a few rows.';
