-- Creates the session's staging tables. COPY fills them, process_chunk or load_importance reads them in the same
-- transaction, and commit or rollback empties them. They are temporary tables: these write no WAL, and each session
-- has its own, so that one session can stage a chunk while another applies the chunk before.
-- Writes: pg_temp.staged_records, staged_rows, touched_pairs, touched_merchants. Safe to call again.
create or replace function bankpulse.open_staging() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
set client_min_messages = warning
as $$
begin
  -- the careful way: records as they came, for accept_staged_records
  create temporary table if not exists staged_records (
    line_number bigint not null,
    problem text, -- why the record cannot be read; null if it can
    line text not null,
    customer_id text,
    gender text,
    merchant_id text,
    amount text -- of an importance file: the weight
  ) on commit delete rows;

  -- accepted rows; the plain way copies into this table directly
  create temporary table if not exists staged_rows (
    customer_id text collate "C" not null,
    gender text not null,
    merchant_id text collate "C" not null,
    amount numeric not null,
    -- the order in the file; the table's rows need not be stored in it
    row_number bigint generated always as identity (cache 1000)
  ) on commit delete rows;

  -- the pairs that the chunk changes, with their values after the chunk
  create temporary table if not exists touched_pairs (
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    gender text not null,
    transaction_count bigint not null,
    total_amount numeric not null,
    added_count bigint not null,
    is_new boolean not null,
    stats_row tid -- ctid of the pair in customer_merchant_stats before the chunk; null if the pair is new
  ) on commit delete rows;

  -- the merchants that the chunk changes, with their values after the chunk
  create temporary table if not exists touched_merchants (
    merchant_id text collate "C" not null,
    transaction_count bigint not null,
    customer_count bigint not null,
    female_count bigint not null,
    male_count bigint not null
  ) on commit delete rows;
end;
$$;

comment on function bankpulse.open_staging() is
  'Creates the session''s temporary tables: staged_records and staged_rows, touched_pairs and touched_merchants.';
