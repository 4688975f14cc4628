-- The end of the next step of a prune, so that a step has a bounded number of rows however many numbers are pruned
-- already.
-- In: the chunk behind which it begins; the last chunk to prune; how many rows of the ledger a step has. Reads: chunks.
-- Out: the chunk; null if there is none left.
create or replace function bankpulse.next_prune_end(p_after bigint, p_last bigint, p_count bigint) returns bigint
language sql stable
return (
  select max(chunk_no)
  from (
    select chunk_no
    from bankpulse.chunks
    where chunk_no > p_after and chunk_no <= p_last
    order by chunk_no
    limit p_count
  ) as next_chunks
);

comment on function bankpulse.next_prune_end(bigint, bigint, bigint) is 'The last chunk of the next step of a prune.';
