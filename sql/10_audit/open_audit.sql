-- Prepares the session in the scratch database in which the audit replays the ledger: creates the staging tables, and
-- temporary tables for the audited pairs, for the result of the replay and for the rows of the files in S3. The
-- caller copies all other tables of the audited database into the tables of the same names; customer_merchant_stats
-- is for the replay.
-- Writes: patterns (emptied, for the rows of the audited database); triggers of patterns, chunks, detections and
-- detection_batches; pg_temp.audited_pairs, replayed_*, file_rows.
-- Raises 55000 in a database where mechanism Y has ever worked: a replay there would count everything twice.
create or replace function bankpulse.open_audit() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  if exists (select from pipeline_lease where run_id is not null) then
    raise exception 'this is no scratch database: mechanism Y works in it' using errcode = '55000';
  end if;
  delete from patterns;
  -- the audited database may have patterns whose functions are not in sql/
  alter table patterns disable trigger check_pattern;
  -- the copy of the ledger is no ledger: nothing is counted or refused
  alter table chunks disable trigger user;
  alter table detections disable trigger user;
  alter table detection_batches disable trigger user;
  perform open_staging();

  -- customer_merchant_stats of the audited database
  create temporary table audited_pairs (like customer_merchant_stats);

  -- the result of the replay
  create temporary table replayed_chunks (
    chunk_no bigint primary key,
    row_count bigint not null,
    rejected_count bigint not null,
    unjudged_because text -- why the patterns could not be judged after it; null if they were
  );
  create temporary table replayed_detections (
    pattern_id text collate "C" not null,
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    chunk_no bigint not null,
    primary key (pattern_id, merchant_id, customer_id)
  );

  -- the rows of the detection files; the header is row 0, fields is an array of text
  create temporary table file_rows (
    batch_no bigint not null,
    row_number bigint not null,
    fields jsonb not null
  );

  -- an audit that lost its scratch database starts anew, so no commit waits for the disk
  perform set_config('synchronous_commit', 'off', false);
end;
$$;

comment on function bankpulse.open_audit() is
  'Creates the audit''s temporary tables in a scratch database; refuses a database in which mechanism Y has worked.';
