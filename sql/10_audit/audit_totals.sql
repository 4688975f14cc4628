-- How much an audit compared.
-- Reads: chunks, checkpoint, detections, detection_batches, customer_merchant_stats, pg_temp.replayed_chunks, file_rows.
-- Out: one row; last_chunk_no is that of the ledger.
create or replace function bankpulse.audit_totals()
returns table (
  last_chunk_no bigint,
  chunk_count bigint,
  row_count bigint,
  judged_detections bigint,
  given_detections bigint,
  file_count bigint,
  file_row_count bigint,
  unwritten_batches bigint,
  unbatched_detections bigint,
  pair_count bigint,
  merchant_count bigint
)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select
    (select coalesce(max(chunk_no), 0) from chunks),
    (select count(*) from pg_temp.replayed_chunks),
    (select coalesce(sum(replayed.row_count), 0)::bigint from pg_temp.replayed_chunks as replayed),
    (
      select count(*)
      from detections
      inner join pg_temp.replayed_chunks as chunks on chunks.chunk_no = detections.chunk_no
      where chunks.unjudged_because is null
    ),
    (
      select count(*)
      from detections
      inner join pg_temp.replayed_chunks as chunks on chunks.chunk_no = detections.chunk_no
      where chunks.unjudged_because is not null
    ) + (
      select count(*) from detections where chunk_no <= (select checkpoint.chunk_no from checkpoint)
    ),
    (select count(distinct batch_no) from pg_temp.file_rows),
    (select count(*) from pg_temp.file_rows where row_number > 0),
    (
      select count(*)
      from detection_batches as batches
      where
        batches.exported_at is null
        and not exists (select from pg_temp.file_rows where file_rows.batch_no = batches.batch_no)
    ),
    (select count(*) from detections where batch_no is null),
    (select count(*) from customer_merchant_stats),
    (select count(distinct merchant_id) from customer_merchant_stats);
end;
$$;

comment on function bankpulse.audit_totals() is 'How much an audit compared.';
