-- The rows of the ledger that nothing needs any more. What stays:
--   the checkpoint's row and those behind it   the newest says the next chunk_no, the order and the rules
--   the greatest number, the greatest key      by them the next object is in its turn or late
--   chunks with detections                     a detection tells the chunk and the rules it was judged by
--   quarantined objects                        they wait for a decision
-- In: the chunks that come into question, from the first behind p_after up to p_last. Reads: chunks, checkpoint. Out:
-- the keys.
create or replace function bankpulse.prunable_chunks(p_after bigint, p_last bigint) returns table (object_key text)
language sql stable
begin atomic
  select chunks.object_key
  from bankpulse.chunks
  where
    chunks.chunk_no > p_after
    and chunks.chunk_no <= p_last
    and chunks.detection_count = 0
    and coalesce(
      chunks.object_number <> (
        select max(applied.object_number) from bankpulse.chunks as applied where applied.status = 'applied'
      ),
      true -- chunks go by name
    )
    and chunks.object_key <> (
      select applied.object_key from bankpulse.chunks as applied
      where applied.status = 'applied' order by applied.object_key desc limit 1
    );
end;

comment on function bankpulse.prunable_chunks(bigint, bigint) is 'The keys of the ledger''s rows that nothing needs any more.';
