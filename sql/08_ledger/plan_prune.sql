-- What a prune of what is older than p_older_than has before it. A chunk is removed only with all chunks before it, and
-- never the newest.
-- In: the age. Reads: chunks, rejected_rows, runs, pruned_objects. Out: one row: the time before which is old; the last
-- chunk that is old, and the newest chunk (0 if there is none); how many rows of the ledger go, how many of the old ones
-- stay because of their detections, how many are quarantined; how many rejected rows and runs go.
create or replace function bankpulse.plan_prune(p_older_than interval)
returns table (
  old_before timestamptz,
  last_chunk_no bigint,
  newest_chunk_no bigint,
  chunk_count bigint,
  detecting_count bigint,
  quarantined_count bigint,
  rejected_count bigint,
  run_count bigint
)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  old_before := now() - p_older_than;
  newest_chunk_no := coalesce((select max(chunk_no) from chunks), 0);
  last_chunk_no := least(
    newest_chunk_no,
    (select min(chunk_no) from chunks where applied_at >= old_before)
  ) - 1;
  last_chunk_no := greatest(last_chunk_no, 0);
  select count(*) into chunk_count from prunable_chunks(0, last_chunk_no);
  select count(*) into detecting_count from chunks where chunk_no <= last_chunk_no and detection_count > 0;
  select count(*) into quarantined_count from chunks where status = 'quarantined';
  select count(*) into rejected_count
  from rejected_rows
  where object_key in (select chunks.object_key from chunks where chunk_no <= last_chunk_no);
  select count(*) into run_count from prunable_runs(old_before);
  return next;
end;
$$;

comment on function bankpulse.plan_prune(interval) is 'What a prune has before it.';
