-- Removes rejected rows of chunks, at most p_limit: the ledger's counts stay as long as the chunk is in it. Only its
-- owner may call it.
-- In: the chunks, from the first behind p_after up to p_last; the greatest number of rows. Reads: chunks, checkpoint.
-- Writes: rejected_rows. Out: how many it removed.
create or replace function bankpulse.prune_rejected_rows(p_after bigint, p_last bigint, p_limit bigint) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_removed_count bigint;
begin
  -- by ctid, which nothing changes meanwhile: the rows are found without a join with all rejected rows
  delete from rejected_rows
  where ctid = any (array(
    select old_rows.ctid
    from chunks
    cross join lateral (
      select rejected_rows.ctid from rejected_rows where rejected_rows.object_key = chunks.object_key limit p_limit
    ) as old_rows
    where
      chunks.chunk_no > p_after
      and chunks.chunk_no <= p_last
      and chunks.chunk_no < (select chunk_no from checkpoint)
      and chunks.rejected_count > 0
    limit p_limit
  ));
  get diagnostics v_removed_count = row_count;
  return v_removed_count;
end;
$$;

comment on function bankpulse.prune_rejected_rows(bigint, bigint, bigint) is
  'Removes rejected rows of old chunks, at most so many; returns how many.';
