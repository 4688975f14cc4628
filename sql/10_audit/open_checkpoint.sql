-- First half of storing a checkpoint: replaces the former one by that of a chunk. In the same transaction the caller
-- fills checkpoint_pairs, then calls close_checkpoint. It deletes and does not truncate, so that readers see the former
-- checkpoint until the commit. Only the tables' owner may call it.
-- In: the chunk; whether verify has compared the state of this chunk with a replay and found no difference. Reads:
-- chunks. Writes: checkpoint, checkpoint_pairs.
create or replace function bankpulse.open_checkpoint(p_chunk_no bigint, p_is_verified boolean) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_former checkpoint;
begin
  delete from checkpoint_pairs;
  delete from checkpoint returning * into v_former;
  -- the rows of earlier chunks may have been pruned, so the counts go on from the former checkpoint
  insert into checkpoint (chunk_no, row_count, rejected_count, unverified_chunk_no)
  select
    p_chunk_no,
    coalesce(v_former.row_count, 0) + coalesce(sum(row_count), 0),
    coalesce(v_former.rejected_count, 0) + coalesce(sum(rejected_count), 0),
    case when p_is_verified then v_former.unverified_chunk_no else p_chunk_no end
  from chunks
  where chunk_no > coalesce(v_former.chunk_no, 0) and chunk_no <= p_chunk_no;
end;
$$;

comment on function bankpulse.open_checkpoint(bigint, boolean) is
  'Replaces the checkpoint by one of another chunk, whose pairs the caller fills in.';
