-- A pattern says by which function it is judged (match_function), in which sentence it is told (reason_template), and
-- which tables its detect_function remembers its work in. rules_history keeps the rules that rules_hash stands for.
-- Drops what sql/ defines anew with other columns or arguments, or no longer defines.

-- Up Migration

drop view if exists
  bankpulse.near_matches, bankpulse.pattern_matches, bankpulse.detection_reasons, bankpulse.dashboard_merchants,
  bankpulse.dashboard_merchant_counts;
drop function if exists
  bankpulse.record_detections(bigint, bigint, timestamptz, boolean), bankpulse.update_count_histogram(),
  bankpulse.rules_hash(), bankpulse.audited_span(), bankpulse.take_detections_as_given(bigint),
  bankpulse.replay_chunk(bigint, text, boolean), bankpulse.compare_ledger(bigint),
  bankpulse.compare_detections(bigint, bigint), bankpulse.audit_totals(bigint, bigint);

alter table bankpulse.patterns
  add column match_function text,
  add column reason_template text,
  add column remembers text[] not null default '{}',
  alter column detect_function drop not null;
-- the pattern's file in sql/04_patterns fills the other columns
update bankpulse.patterns set match_function = regexp_replace(detect_function, '^detect_', 'match_');
alter table bankpulse.patterns alter column match_function set not null;

comment on table bankpulse.patterns is
  'The patterns and their thresholds. A change takes effect with the next chunk; what was detected stays.';
comment on column bankpulse.patterns.match_function is
  'Function of schema bankpulse that states the pattern: (p_thresholds jsonb) returns table (merchant_id text, customer_id text, reason jsonb), all that satisfies it now.';
comment on column bankpulse.patterns.detect_function is
  'Function of schema bankpulse with the same arguments and result, faster: it finds what a chunk made true. Null: match_function is asked about the merchants that the chunk touched.';
comment on column bankpulse.patterns.thresholds is
  'The numbers that the pattern compares with. Each is named after the key of reason that it limits, and how: _from, _above, _below or _up_to.';
comment on column bankpulse.patterns.reason_template is
  'The reason as a sentence, with placeholders: {customer}, {merchant}, and the keys of reason, such as {transactions} or {count_percent_rank%}. Null: the numbers are listed.';
comment on column bankpulse.patterns.remembers is
  'Tables of schema bankpulse that detect_function keeps. The view derived_<table> says what each must hold.';

create table bankpulse.rules_history (
  rules_hash text primary key,
  patterns jsonb not null,
  importance_fingerprint text,
  first_chunk_no bigint not null,
  recorded_at timestamptz not null default clock_timestamp()
);
comment on table bankpulse.rules_history is
  'The rules that each rules_hash in the ledger stands for. Rows are only ever added.';
comment on column bankpulse.rules_history.rules_hash is 'As in chunks.rules_hash.';
comment on column bankpulse.rules_history.patterns is
  'The enabled patterns as they were: for each pattern_id its action_type, thresholds and functions, with hashes of their definitions.';
comment on column bankpulse.rules_history.importance_fingerprint is
  'sha256 of the importance file that was loaded; null if there was none.';
comment on column bankpulse.rules_history.first_chunk_no is 'The first chunk that was judged by these rules.';
comment on column bankpulse.rules_history.recorded_at is 'When that chunk was applied.';

-- The rules of a database of today, if they have not changed since its last chunk, by the former formula of the hash.
insert into bankpulse.rules_history (rules_hash, patterns, importance_fingerprint, first_chunk_no)
select
  last_chunks.rules_hash,
  present_rules.patterns,
  present_rules.fingerprint,
  (select min(chunk_no) from bankpulse.chunks where chunks.rules_hash = last_chunks.rules_hash)
from (
  select rules_hash from bankpulse.chunks where chunk_no is not null order by chunk_no desc limit 1
) as last_chunks
inner join (
  select
    md5(
      coalesce(
        string_agg(
          jsonb_build_array(pattern_id, action_type, detect_function, thresholds)::text,
          E'\n' order by pattern_id
        ),
        ''
      ) || coalesce((select fingerprint from bankpulse.importance_file), '')
    ) as rules_hash,
    coalesce(
      jsonb_object_agg(
        pattern_id,
        jsonb_build_object('action_type', action_type, 'match_function', match_function, 'thresholds', thresholds)
      ),
      '{}'
    ) as patterns,
    (select fingerprint from bankpulse.importance_file) as fingerprint
  from bankpulse.patterns
  where is_enabled
) as present_rules
  on present_rules.rules_hash = last_chunks.rules_hash;

comment on column bankpulse.chunks.timings is 'Milliseconds per step: copy, accept, pairs, merchants, detect.';

-- Down Migration

drop table bankpulse.rules_history;
delete from bankpulse.patterns where detect_function is null;
alter table bankpulse.patterns
  drop column match_function,
  drop column reason_template,
  drop column remembers,
  alter column detect_function set not null;
