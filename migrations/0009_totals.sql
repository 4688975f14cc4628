-- Running totals, so that status and pages cost the same however long the ledger is; indexes for the lists on the
-- pages; the version of BankPulse that the schema has. The triggers in sql/03_state/ keep the totals, and
-- sql/03_state/recount_totals.sql fills them once: only there no chunk can come between the count and the triggers.

-- Up Migration

create table bankpulse.pipeline_totals (
  scope text primary key,
  chunks_applied bigint not null default 0,
  chunks_quarantined bigint not null default 0,
  rows_applied bigint not null default 0,
  rows_rejected bigint not null default 0,
  batches_closed bigint not null default 0,
  constraint scope_is_all_or_removed check (scope in ('all', 'removed'))
) with (fillfactor = 20);
comment on table bankpulse.pipeline_totals is
  'Two rows: what was counted since the beginning, and how much of it was removed from the tables again.';
comment on column bankpulse.pipeline_totals.scope is 'all: since the beginning; removed: how much of that is in the tables no more.';
comment on column bankpulse.pipeline_totals.chunks_applied is 'Applied chunks.';
comment on column bankpulse.pipeline_totals.chunks_quarantined is 'Objects that are quarantined now; none counts as removed.';
comment on column bankpulse.pipeline_totals.rows_applied is 'Accepted rows of the applied chunks.';
comment on column bankpulse.pipeline_totals.rows_rejected is 'Rejected rows of the applied chunks.';
comment on column bankpulse.pipeline_totals.batches_closed is 'Closed batches, written or not.';

create table bankpulse.pattern_totals (
  pattern_id text collate "C" primary key,
  detection_count bigint not null
) with (fillfactor = 20);
comment on table bankpulse.pattern_totals is 'How many detections each pattern has; no row if it never had any.';
comment on column bankpulse.pattern_totals.pattern_id is 'The pattern.';
comment on column bankpulse.pattern_totals.detection_count is 'Its detections.';

create table bankpulse.merchant_totals (
  merchant_id text collate "C" primary key,
  detection_count bigint not null
) with (fillfactor = 60);
comment on table bankpulse.merchant_totals is 'How many detections each merchant has; no row if it never had any.';
comment on column bankpulse.merchant_totals.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_totals.detection_count is 'Its detections, of all patterns.';

create index chunks_quarantined on bankpulse.chunks (quarantined_at, object_key) where status = 'quarantined';
comment on index bankpulse.chunks_quarantined is 'Lists the quarantined objects by time.';
create index chunks_with_rejected_rows on bankpulse.chunks (chunk_no) where rejected_count > 0;
comment on index bankpulse.chunks_with_rejected_rows is 'Finds the newest chunks that have rejected rows.';
create index detections_of_pattern on bankpulse.detections (pattern_id, detection_id);
comment on index bankpulse.detections_of_pattern is 'Finds the newest detections of a pattern.';
create index detections_of_merchant on bankpulse.detections (merchant_id, detection_id);
comment on index bankpulse.detections_of_merchant is 'Finds the newest detections at a merchant.';
create index detections_of_customer on bankpulse.detections (customer_id, detection_id);
comment on index bankpulse.detections_of_customer is 'Finds the newest detections of a customer.';

alter table bankpulse.pipeline add column schema_version text;
comment on column bankpulse.pipeline.schema_version is
  'The newest version of BankPulse that has migrated this database; an older one refuses to work in it. Null before the first that records it.';

-- Down Migration

alter table bankpulse.pipeline drop column schema_version;
drop index
  bankpulse.chunks_quarantined, bankpulse.chunks_with_rejected_rows, bankpulse.detections_of_pattern,
  bankpulse.detections_of_merchant, bankpulse.detections_of_customer;
drop table bankpulse.pipeline_totals, bankpulse.pattern_totals, bankpulse.merchant_totals;
