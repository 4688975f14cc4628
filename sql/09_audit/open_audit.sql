-- Makes ready a scratch database in which the audit replays the ledger: the session's staging tables, and temporary
-- tables for what the replay finds, for what the files in S3 hold, and for the audited database's own state. The
-- audited ledger, detections, rules and outbox are copied into the scratch database's tables of the same names.
-- Writes: patterns (emptied, for those of the audited database); pg_temp.audited_*, replayed_*, file_rows.
-- Raises 55000 in a database where mechanism Y ever worked: a replay there would count everything twice.
create or replace function bankpulse.open_audit() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  if exists (select from pipeline_lease where run_id is not null) then
    raise exception 'this is no scratch database: mechanism Y works in it' using errcode = '55000';
  end if;
  delete from patterns;
  perform open_staging();

  -- the state of the audited database, as its hot path has it
  create temporary table audited_pairs (like customer_merchant_stats);

  -- what the replay finds
  create temporary table replayed_chunks (
    chunk_no bigint primary key,
    row_count bigint not null,
    rejected_count bigint not null
  );
  create temporary table replayed_detections (
    pattern_id text collate "C" not null,
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    chunk_no bigint not null,
    primary key (pattern_id, merchant_id, customer_id)
  );

  -- what the detection files hold; the header is row 0
  create temporary table file_rows (
    batch_no bigint not null,
    row_number bigint not null,
    field_count bigint not null,
    "YStartTime" text not null,
    "detectionTime" text not null,
    "patternId" text collate "C" not null,
    "ActionType" text not null,
    "customerName" text collate "C" not null,
    "MerchantId" text collate "C" not null
  );

  -- whatever is lost with a scratch database can be had again
  perform set_config('synchronous_commit', 'off', false);
end;
$$;

comment on function bankpulse.open_audit() is
  'Makes the audit''s temporary tables, in a scratch database; refuses in one that mechanism Y works in.';
