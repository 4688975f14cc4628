-- What a replay has before it: the applied chunks of the ledger behind the checkpoint, and the seconds that Y needed for
-- them.
-- Reads: chunks, checkpoint. Out: one row.
create or replace function bankpulse.replay_cost()
returns table (chunk_count bigint, row_count bigint, applied_seconds double precision)
language sql stable
begin atomic
  select
    count(*),
    coalesce(sum(chunks.row_count + chunks.rejected_count), 0)::bigint,
    coalesce(round(sum(elapsed_ms) / 1000, 1), 0)::double precision
  from bankpulse.chunks
  cross join lateral bankpulse.chunk_ms(chunks.timings) as elapsed_ms
  where chunks.chunk_no > coalesce((select checkpoint.chunk_no from bankpulse.checkpoint), 0);
end;

comment on function bankpulse.replay_cost() is 'The chunks and rows that a replay has before it, and how long Y needed for them.';
