-- Tables of BankPulse. Runs once; never edited after it has landed. Functions, views and grants live in sql/.
--
-- Every name that is compared, ordered or unique is text collate "C": bytewise, the same on every server.
-- Every key of a state table contains merchant_id, and joins between state tables are on it, so that the schema
-- can be distributed by merchant. customer_merchant_stats has no index on a column that changes: its updates stay
-- heap-only, inside the space that fillfactor leaves on the page.

-- Up Migration

create schema if not exists bankpulse;
comment on schema bankpulse is 'BankPulse: which merchants should act on which customers, found in a stream of bank transactions.';

comment on table bankpulse.migrations is 'Which files of migrations/ have run; kept by node-pg-migrate.';
comment on column bankpulse.migrations.id is 'Order in which they ran.';
comment on column bankpulse.migrations.name is 'Name of the file without its ending.';
comment on column bankpulse.migrations.run_on is 'When it ran.';

create table bankpulse.applied_sql_files (
  file_name text primary key,
  sha256 text not null,
  applied_at timestamptz not null default clock_timestamp()
);
comment on table bankpulse.applied_sql_files is 'Which files of sql/ were applied; one is applied again when its content has changed.';
comment on column bankpulse.applied_sql_files.file_name is 'Name of the file.';
comment on column bankpulse.applied_sql_files.sha256 is 'Hash of its content.';
comment on column bankpulse.applied_sql_files.applied_at is 'When it was applied last.';

create table bankpulse.runs (
  run_id bigint generated always as identity primary key,
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  pending_count bigint not null default 0,
  oldest_pending_at timestamptz,
  listed_at timestamptz,
  constraint ended_at_is_not_before_started_at check (ended_at >= started_at),
  constraint pending_count_is_not_negative check (pending_count >= 0)
);
comment on table bankpulse.runs is 'One row per start of mechanism Y.';
comment on column bankpulse.runs.run_id is 'Number of the start; greater is later.';
comment on column bankpulse.runs.started_at is 'When the process registered itself; YStartTime of the detections it finds.';
comment on column bankpulse.runs.ended_at is 'When it ended in good order; null while it runs, and after a crash.';
comment on column bankpulse.runs.pending_count is 'Objects its last listing showed that were neither applied nor quarantined.';
comment on column bankpulse.runs.oldest_pending_at is 'When the oldest of those was last modified in S3; null if there was none.';
comment on column bankpulse.runs.listed_at is 'When pending_count and oldest_pending_at were last written.';

create table bankpulse.pipeline_lease (
  is_only_row boolean primary key default true,
  run_id bigint references bankpulse.runs,
  taken_at timestamptz,
  constraint there_is_one_row check (is_only_row)
);
comment on table bankpulse.pipeline_lease is
  'The fence: one row naming the run that may change the state. process_chunk locks it first and refuses any other run.';
comment on column bankpulse.pipeline_lease.is_only_row is 'Always true: there is one row.';
comment on column bankpulse.pipeline_lease.run_id is 'The run that may write; null before the first.';
comment on column bankpulse.pipeline_lease.taken_at is 'When that run took over.';
insert into bankpulse.pipeline_lease default values;

create table bankpulse.patterns (
  pattern_id text collate "C" primary key,
  action_type text not null,
  description text not null,
  detect_function text not null,
  thresholds jsonb not null,
  is_enabled boolean not null default true,
  constraint pattern_id_is_not_empty check (pattern_id <> ''),
  constraint thresholds_is_an_object check (jsonb_typeof(thresholds) = 'object')
);
comment on table bankpulse.patterns is
  'The patterns and their thresholds. A change takes effect with the next chunk; what was detected stays.';
comment on column bankpulse.patterns.pattern_id is 'Name of the pattern, as in the detection files.';
comment on column bankpulse.patterns.action_type is 'What the merchant is told to do.';
comment on column bankpulse.patterns.description is 'The pattern in a sentence.';
comment on column bankpulse.patterns.detect_function is
  'Function of schema bankpulse that finds what a chunk made true: (p_thresholds jsonb) returns table (merchant_id, customer_id, reason).';
comment on column bankpulse.patterns.thresholds is 'The numbers the pattern compares with; their names say how (above, below, from, up_to).';
comment on column bankpulse.patterns.is_enabled is 'Whether the pattern is looked for.';
insert into bankpulse.patterns (pattern_id, action_type, description, detect_function, thresholds) values
  (
    'PatId1', 'UPGRADE',
    'At a merchant with many transactions, a customer among the most frequent there, but with one of the lowest weights.',
    'detect_upgrade',
    '{"merchant_transactions_above": 50000, "count_percent_rank_from": 0.9, "weight_percent_rank_up_to": 0.1}'
  ),
  (
    'PatId2', 'CHILD',
    'A customer who pays a merchant often, and little on average.',
    'detect_child',
    '{"transactions_from": 80, "average_amount_below": 23}'
  ),
  (
    'PatId3', 'DEI-NEEDED',
    'A merchant with many women among its customers, but fewer than men.',
    'detect_dei_needed',
    '{"female_customers_above": 100}'
  );

create table bankpulse.chunks (
  object_key text collate "C" primary key,
  object_number bigint,
  chunk_no bigint unique,
  etag text not null,
  size_bytes bigint not null,
  status text not null,
  row_count bigint not null default 0,
  rejected_count bigint not null default 0,
  detection_count bigint not null default 0,
  is_late boolean not null default false,
  applied_at timestamptz not null default clock_timestamp(),
  run_id bigint not null references bankpulse.runs,
  rules_hash text,
  timings jsonb,
  error text,
  constraint status_is_applied_or_quarantined check (status in ('applied', 'quarantined')),
  constraint applied_chunks_are_numbered check ((status = 'applied') = (chunk_no is not null)),
  constraint quarantined_chunks_say_why check ((status = 'quarantined') = (error is not null)),
  constraint counts_are_not_negative check (row_count >= 0 and rejected_count >= 0 and detection_count >= 0)
);
comment on table bankpulse.chunks is
  'The ledger: every S3 object that was applied to the state, or quarantined because of its content. An applied row commits together with everything the chunk changed.';
comment on column bankpulse.chunks.object_key is 'Key of the object in S3.';
comment on column bankpulse.chunks.object_number is 'Number in the key: the last run of digits in its base name.';
comment on column bankpulse.chunks.chunk_no is 'Position in the order of application, from 1 without gaps; null while quarantined.';
comment on column bankpulse.chunks.etag is 'ETag of the object as it was read.';
comment on column bankpulse.chunks.size_bytes is 'Size of the object in S3, in bytes.';
comment on column bankpulse.chunks.status is 'applied or quarantined.';
comment on column bankpulse.chunks.row_count is 'Rows accepted. row_count + rejected_count is the number of rows in the object.';
comment on column bankpulse.chunks.rejected_count is 'Rows rejected; each is in rejected_rows.';
comment on column bankpulse.chunks.detection_count is 'New detections after this chunk.';
comment on column bankpulse.chunks.is_late is 'True if a greater object_number had been dealt with before.';
comment on column bankpulse.chunks.applied_at is 'When it was applied or quarantined.';
comment on column bankpulse.chunks.run_id is 'The run that did it.';
comment on column bankpulse.chunks.rules_hash is 'Hash of the thresholds and weights it was judged by.';
comment on column bankpulse.chunks.timings is 'Milliseconds per step: copy, judge, pairs, merchants, histogram, detect.';
comment on column bankpulse.chunks.error is 'Why it was quarantined.';
create unique index chunks_applied_object_number on bankpulse.chunks (object_number) where status = 'applied';
create index chunks_object_number on bankpulse.chunks (object_number);
comment on index bankpulse.chunks_applied_object_number is 'A number is applied once.';
comment on index bankpulse.chunks_object_number is 'Finds the greatest number dealt with.';

create table bankpulse.rejected_rows (
  object_key text collate "C" not null,
  line_number bigint not null,
  line text not null,
  reason text not null,
  primary key (object_key, line_number),
  constraint line_number_is_positive check (line_number > 0)
);
comment on table bankpulse.rejected_rows is 'Rows that did not count, with the reason. The other rows of their file did.';
comment on column bankpulse.rejected_rows.object_key is 'Key of the chunk, or name of the importance file.';
comment on column bankpulse.rejected_rows.line_number is 'Physical line on which the row starts; the header is line 1.';
comment on column bankpulse.rejected_rows.line is 'The row as it came, at most 1,000 characters; bytes that text cannot hold are written \xNN.';
comment on column bankpulse.rejected_rows.reason is 'Why it was rejected.';

create table bankpulse.importance_file (
  is_only_row boolean primary key default true,
  file_name text not null,
  fingerprint text not null,
  row_count bigint not null,
  rejected_count bigint not null,
  loaded_at timestamptz not null default clock_timestamp(),
  constraint there_is_one_row check (is_only_row)
);
comment on table bankpulse.importance_file is 'Which CustomerImportance file customer_weights came from; no row before the first load.';
comment on column bankpulse.importance_file.is_only_row is 'Always true: there is at most one row.';
comment on column bankpulse.importance_file.file_name is 'Base name of the file.';
comment on column bankpulse.importance_file.fingerprint is 'sha256 of the file; loaded again only when it differs.';
comment on column bankpulse.importance_file.row_count is 'Rows accepted.';
comment on column bankpulse.importance_file.rejected_count is 'Rows rejected; each is in rejected_rows.';
comment on column bankpulse.importance_file.loaded_at is 'When it was loaded.';

create table bankpulse.customer_weights (
  merchant_id text collate "C" not null,
  customer_id text collate "C" not null,
  average_weight numeric not null,
  primary key (merchant_id, customer_id)
);
comment on table bankpulse.customer_weights is 'Importance of a customer for a merchant; from the importance file, not from the stream.';
comment on column bankpulse.customer_weights.merchant_id is 'Target in the file.';
comment on column bankpulse.customer_weights.customer_id is 'Source in the file.';
comment on column bankpulse.customer_weights.average_weight is
  'Mean of Weight over all rows of the pair, rounded half away from zero to 10 decimals.';

create table bankpulse.customer_merchant_stats (
  merchant_id text collate "C" not null,
  customer_id text collate "C" not null,
  gender text not null,
  transaction_count bigint not null,
  total_amount numeric not null,
  primary key (merchant_id, customer_id),
  constraint transaction_count_is_positive check (transaction_count > 0)
) with (fillfactor = 60);
comment on table bankpulse.customer_merchant_stats is 'Running state: one row per customer of a merchant.';
comment on column bankpulse.customer_merchant_stats.merchant_id is 'The merchant.';
comment on column bankpulse.customer_merchant_stats.customer_id is 'The customer.';
comment on column bankpulse.customer_merchant_stats.gender is
  'Gender on the customer''s first transaction at this merchant; only F and M are ever counted.';
comment on column bankpulse.customer_merchant_stats.transaction_count is 'Transactions of the customer at the merchant.';
comment on column bankpulse.customer_merchant_stats.total_amount is 'Exact sum of their amounts.';

create table bankpulse.merchant_stats (
  merchant_id text collate "C" primary key,
  transaction_count bigint not null,
  customer_count bigint not null,
  female_count bigint not null,
  male_count bigint not null,
  constraint customers_are_at_most_as_many_as_transactions check (customer_count <= transaction_count),
  constraint women_and_men_are_customers check (female_count + male_count <= customer_count)
) with (fillfactor = 60);
comment on table bankpulse.merchant_stats is 'Running state: one row per merchant.';
comment on column bankpulse.merchant_stats.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_stats.transaction_count is 'Transactions at the merchant.';
comment on column bankpulse.merchant_stats.customer_count is 'Distinct customers.';
comment on column bankpulse.merchant_stats.female_count is 'Distinct customers whose gender at the merchant is F.';
comment on column bankpulse.merchant_stats.male_count is 'Distinct customers whose gender at the merchant is M.';

create table bankpulse.merchant_count_histogram (
  merchant_id text collate "C" not null,
  transaction_count bigint not null,
  customer_count bigint not null,
  primary key (merchant_id, transaction_count),
  constraint customer_count_is_not_negative check (customer_count >= 0)
) with (fillfactor = 60);
comment on table bankpulse.merchant_count_histogram is
  'Running state: how many customers of a merchant have exactly this many transactions. Gives percentile ranks without a sort.';
comment on column bankpulse.merchant_count_histogram.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_count_histogram.transaction_count is 'A number of transactions.';
comment on column bankpulse.merchant_count_histogram.customer_count is 'Customers with exactly that many.';

create table bankpulse.upgrade_candidates (
  merchant_id text collate "C" not null,
  customer_id text collate "C" not null,
  average_weight numeric not null,
  smaller_weights bigint not null,
  weight_count bigint not null,
  primary key (merchant_id, customer_id)
);
comment on table bankpulse.upgrade_candidates is
  'Running state of PatId1: the pairs with a low enough weight that are not yet detected. Built again when thresholds or weights change; in between it only shrinks.';
comment on column bankpulse.upgrade_candidates.merchant_id is 'The merchant.';
comment on column bankpulse.upgrade_candidates.customer_id is 'The customer.';
comment on column bankpulse.upgrade_candidates.average_weight is 'The customer''s weight for the merchant.';
comment on column bankpulse.upgrade_candidates.smaller_weights is 'Customers with a strictly smaller weight for the merchant.';
comment on column bankpulse.upgrade_candidates.weight_count is 'Customers that have a weight for the merchant.';

create table bankpulse.merchant_top_counts (
  merchant_id text collate "C" primary key,
  top_count bigint
);
comment on table bankpulse.merchant_top_counts is
  'Running state of PatId1: where the top share of a merchant''s customers began after the last chunk that touched it.';
comment on column bankpulse.merchant_top_counts.merchant_id is 'A merchant with enough transactions; others have no row.';
comment on column bankpulse.merchant_top_counts.top_count is 'The smallest number of transactions in the top share (10 % by default); null if nobody is in it, since too many tie.';

create table bankpulse.detections (
  detection_id bigint generated always as identity,
  pattern_id text collate "C" not null,
  action_type text not null,
  merchant_id text collate "C" not null,
  customer_id text collate "C" not null,
  chunk_no bigint not null,
  run_id bigint not null,
  detected_at timestamptz not null,
  batch_no bigint,
  reason jsonb not null,
  constraint detections_are_emitted_once primary key (merchant_id, pattern_id, customer_id)
);
comment on table bankpulse.detections is
  'Every (pattern, merchant, customer) once, at the first chunk after which it held; never withdrawn.';
comment on column bankpulse.detections.detection_id is 'Order of detection: by chunk, pattern, merchant, customer.';
comment on column bankpulse.detections.pattern_id is 'The pattern.';
comment on column bankpulse.detections.action_type is 'What the merchant is told to do.';
comment on column bankpulse.detections.merchant_id is 'The merchant.';
comment on column bankpulse.detections.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.detections.chunk_no is 'The chunk after which it first held.';
comment on column bankpulse.detections.run_id is 'The run that found it.';
comment on column bankpulse.detections.detected_at is 'When that chunk was applied.';
comment on column bankpulse.detections.batch_no is 'The file it is written to; null until its batch closes.';
comment on column bankpulse.detections.reason is 'The numbers that made it fire.';
create index detections_detection_id on bankpulse.detections (detection_id);
create index detections_batch_no on bankpulse.detections (batch_no, detection_id);

create table bankpulse.detection_batches (
  batch_no bigint primary key,
  object_key text not null,
  row_count bigint not null,
  closed_at timestamptz not null default clock_timestamp(),
  exported_at timestamptz,
  constraint batch_no_is_positive check (batch_no > 0),
  constraint row_count_is_positive check (row_count > 0),
  constraint exported_at_is_not_before_closed_at check (exported_at >= closed_at)
);
comment on table bankpulse.detection_batches is
  'The outbox: closed batches of detections, each one file in S3. A closed batch never changes, so writing it again gives the same bytes.';
comment on column bankpulse.detection_batches.batch_no is 'From 1 without holes.';
comment on column bankpulse.detection_batches.object_key is 'Key of the file in S3.';
comment on column bankpulse.detection_batches.row_count is 'Detections in it.';
comment on column bankpulse.detection_batches.closed_at is 'When it was closed.';
comment on column bankpulse.detection_batches.exported_at is 'When the file was known to be written; null before.';
create index detection_batches_not_exported on bankpulse.detection_batches (batch_no) where exported_at is null;

-- Down Migration

drop schema bankpulse cascade;
