-- What an audit compared, in numbers.
-- In: the first chunk that was judged again, and the last. Reads: detections, detection_batches,
-- customer_merchant_stats, pg_temp.replayed_chunks, file_rows. Out: one row.
create or replace function bankpulse.audit_totals(p_first_judged_no bigint, p_last_judged_no bigint)
returns table (
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
    replayed.chunk_count,
    replayed.row_count,
    found.judged_detections,
    found.given_detections,
    files.file_count,
    files.file_row_count,
    (
      select count(*) from detection_batches
      where exported_at is null and batch_no not in (select file_rows.batch_no from pg_temp.file_rows)
    ),
    found.unbatched_detections,
    pairs.pair_count,
    pairs.merchant_count
  from (
    select count(*) as chunk_count, coalesce(sum(replayed_chunks.row_count), 0)::bigint as row_count
    from pg_temp.replayed_chunks
  ) as replayed
  cross join (
    select
      count(*) filter (where chunk_no between p_first_judged_no and p_last_judged_no) as judged_detections,
      count(*) filter (where chunk_no < p_first_judged_no) as given_detections,
      count(*) filter (where batch_no is null) as unbatched_detections
    from detections
  ) as found
  cross join (
    select count(distinct batch_no) as file_count, count(*) filter (where row_number > 0) as file_row_count
    from pg_temp.file_rows
  ) as files
  cross join (
    select count(*) as pair_count, count(distinct merchant_id) as merchant_count
    from customer_merchant_stats
  ) as pairs;
end;
$$;

comment on function bankpulse.audit_totals(bigint, bigint) is 'How much an audit compared.';
