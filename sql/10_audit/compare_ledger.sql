-- Compares the ledger with its replay. Chunks up to the checkpoint may have been pruned. Where the replay gives no
-- detections, up to the checkpoint or because a chunk could not be judged again, their number is compared with the ledger's.
-- Reads: chunks, detections, checkpoint, checkpoint_pairs, pg_temp.replayed_chunks. Out: differences, one a row, in the order of chunks.
create or replace function bankpulse.compare_ledger() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_checkpoint_no constant bigint := coalesce((select checkpoint.chunk_no from checkpoint), 0);
begin
  return query
  select difference from check_checkpoint() as difference where difference is not null;

  return query
  with missing_chunks as (
    select numbers.chunk_no, format('chunk %s: not in the ledger', numbers.chunk_no) as difference
    from generate_series(v_checkpoint_no + 1, (select max(chunks.chunk_no) from chunks)) as numbers (chunk_no)
    where not exists (select from chunks where chunks.chunk_no = numbers.chunk_no)
  ),
  other_counts as (
    select
      chunks.chunk_no,
      format(
        'chunk %s (%s): the ledger has %s rows accepted and %s rejected, the replay %s and %s',
        chunks.chunk_no, chunks.object_key, chunks.row_count, chunks.rejected_count,
        replayed_chunks.row_count, replayed_chunks.rejected_count
      ) as difference
    from chunks
    inner join pg_temp.replayed_chunks on replayed_chunks.chunk_no = chunks.chunk_no
    where
      (chunks.row_count, chunks.rejected_count)
      is distinct from (replayed_chunks.row_count, replayed_chunks.rejected_count)
  ),
  found_counts as (
    select chunk_no, count(*) as detection_count from detections group by chunk_no
  ),
  -- a chunk with detections is never pruned
  lost_chunks as (
    select
      found_counts.chunk_no,
      format('chunk %s: it has %s detections, and is not in the ledger', found_counts.chunk_no, found_counts.detection_count)
        as difference
    from found_counts
    where
      found_counts.chunk_no <= v_checkpoint_no
      and not exists (select from chunks where chunks.chunk_no = found_counts.chunk_no)
  ),
  other_detection_counts as (
    select
      chunks.chunk_no,
      format(
        'chunk %s (%s): the ledger has %s detections, the table has %s',
        chunks.chunk_no, chunks.object_key, chunks.detection_count, coalesce(found_counts.detection_count, 0)
      ) as difference
    from chunks
    left join pg_temp.replayed_chunks on replayed_chunks.chunk_no = chunks.chunk_no
    left join found_counts on found_counts.chunk_no = chunks.chunk_no
    where
      (replayed_chunks.unjudged_because is not null or chunks.chunk_no <= v_checkpoint_no)
      and chunks.detection_count <> coalesce(found_counts.detection_count, 0)
  )
  select differences.difference
  from (
    select * from missing_chunks
    union all
    select * from lost_chunks
    union all
    select * from other_counts
    union all
    select * from other_detection_counts
  ) as differences
  order by differences.chunk_no, differences.difference collate "C";
end;
$$;

comment on function bankpulse.compare_ledger() is 'Differences between the ledger and its replay.';
