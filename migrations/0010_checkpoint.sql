-- The ledger can be pruned: the checkpoint is a copy of the state from which the audit begins instead of at the first
-- chunk, and pruned_objects holds which objects were applied that the ledger does not name any more.

-- Up Migration

-- sql/ defines it anew with another column
drop function if exists bankpulse.audit_totals();

create table bankpulse.checkpoint (
  is_only_row boolean primary key default true,
  chunk_no bigint not null,
  row_count bigint not null,
  rejected_count bigint not null,
  unverified_chunk_no bigint,
  taken_at timestamptz not null default clock_timestamp(),
  constraint there_is_one_checkpoint check (is_only_row),
  constraint unverified_chunk_is_not_behind_it check (unverified_chunk_no <= chunk_no),
  constraint counts_are_not_negative check (row_count >= 0 and rejected_count >= 0)
);
comment on table bankpulse.checkpoint is
  'The chunk whose state checkpoint_pairs holds: verify and rebuild begin behind it. No row before the first prune.';
comment on column bankpulse.checkpoint.is_only_row is 'Always true: there is at most one row.';
comment on column bankpulse.checkpoint.chunk_no is 'The chunk. Its row stays in the ledger.';
comment on column bankpulse.checkpoint.row_count is 'Rows accepted up to this chunk.';
comment on column bankpulse.checkpoint.rejected_count is 'Rows rejected up to this chunk.';
comment on column bankpulse.checkpoint.unverified_chunk_no is
  'The state up to this chunk was taken as it was; what came behind it was compared with a replay. Null: all was compared.';
comment on column bankpulse.checkpoint.taken_at is 'When it was stored.';

create table bankpulse.checkpoint_pairs (
  merchant_id text collate "C" not null,
  customer_id text collate "C" not null,
  gender text not null,
  transaction_count bigint not null,
  total_amount numeric not null,
  primary key (merchant_id, customer_id)
);
comment on table bankpulse.checkpoint_pairs is
  'customer_merchant_stats as of the checkpoint. All other state follows from it and from the weights.';
comment on column bankpulse.checkpoint_pairs.merchant_id is 'The merchant.';
comment on column bankpulse.checkpoint_pairs.customer_id is 'The customer.';
comment on column bankpulse.checkpoint_pairs.gender is 'Gender on the customer''s first transaction at this merchant.';
comment on column bankpulse.checkpoint_pairs.transaction_count is 'Transactions of the customer at the merchant.';
comment on column bankpulse.checkpoint_pairs.total_amount is 'Exact sum of their amounts.';

create table bankpulse.pruned_objects (
  key_head text collate "C" not null,
  key_tail text collate "C" not null,
  digit_count integer not null,
  first_number bigint not null,
  last_number bigint not null,
  primary key (key_head, key_tail, digit_count, first_number),
  constraint last_number_is_not_before_first_number check (last_number >= first_number)
);
comment on table bankpulse.pruned_objects is
  'The applied objects that were pruned from the ledger: each row is a run of keys that differ in one number only, without a hole. So none is applied again, and one that is missing can still come late.';
comment on column bankpulse.pruned_objects.key_head is 'The keys up to the number.';
comment on column bankpulse.pruned_objects.key_tail is 'The keys behind the number.';
comment on column bankpulse.pruned_objects.digit_count is
  'Digits of the number, with leading zeros; 0 for a single key without a usable number, which is in key_head.';
comment on column bankpulse.pruned_objects.first_number is 'The first number of the run.';
comment on column bankpulse.pruned_objects.last_number is 'The last number of the run.';
create index pruned_objects_first_number on bankpulse.pruned_objects (first_number);
comment on index bankpulse.pruned_objects_first_number is 'Finds the run with a number.';

create index chunks_run_id on bankpulse.chunks using brin (run_id);
create index detections_run_id on bankpulse.detections using brin (run_id);
comment on index bankpulse.chunks_run_id is 'For the check that no chunk refers to a run that is removed. BRIN: it costs a new row nothing.';
comment on index bankpulse.detections_run_id is 'As chunks_run_id.';

-- Down Migration

do $$
begin
  if exists (select from bankpulse.pruned_objects) then
    raise exception 'the ledger was pruned: a version without pruned_objects would apply the pruned chunks again';
  end if;
end;
$$;
drop function if exists bankpulse.audit_totals();
drop index bankpulse.chunks_run_id;
drop index bankpulse.detections_run_id;
drop table bankpulse.pruned_objects;
drop table bankpulse.checkpoint_pairs;
drop table bankpulse.checkpoint;
