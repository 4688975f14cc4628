-- The chunks that can be judged again: those since the last change of rules, provided that the rules have not changed
-- after them. The ledger keeps the hash of former rules and not the rules.
-- Reads: chunks, patterns, importance_file. Out: one row; none if no chunk was applied.
--   first_chunk_no, last_chunk_no    the last span of chunks with one rules_hash
--   rules_count                      number of rules_hashes in the ledger
--   is_current                       whether patterns and weights are those of that span
--   has_newer_weights                whether an importance file was loaded after it
create or replace function bankpulse.audited_span()
returns table (
  first_chunk_no bigint,
  last_chunk_no bigint,
  rules_count bigint,
  is_current boolean,
  has_newer_weights boolean
)
language sql stable
begin atomic
  select
    coalesce(
      (select max(chunk_no) from bankpulse.chunks where rules_hash is distinct from last_chunks.rules_hash),
      0
    ) + 1,
    last_chunks.chunk_no,
    (select count(distinct rules_hash) from bankpulse.chunks),
    last_chunks.rules_hash is not distinct from bankpulse.rules_hash(),
    exists (select from bankpulse.importance_file where loaded_at > last_chunks.applied_at)
  from bankpulse.chunks as last_chunks
  where last_chunks.chunk_no = (select max(chunk_no) from bankpulse.chunks);
end;

comment on function bankpulse.audited_span() is
  'The last chunks with one rules_hash, and whether the rules are still theirs.';
