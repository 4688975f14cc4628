-- Compares a listing with the ledger.
-- In: keys and ETags of the listing, in two arrays of the same order; CHUNK_ORDER. Reads: chunks,
-- pruned_objects. Out, in the order in which they are to be applied: a row for an object that is
--   new         not in the ledger, with its number (null if chunks go by name)
--   mended      quarantined, but the key now has another ETag: to be tried again
--   unnumbered  not in the ledger, and never applied by number, because its name has no usable one
--   replaced    applied, but the listing shows neither its ETag nor the one that listings showed for it before
-- An applied object that was pruned from the ledger is none of these, whatever its ETag.
-- Objects whose name does not end in .csv or .csv.gz are ignored, and so is what is no file of the stream: an unfinished
-- one of Hadoop or Spark (_temporary/), and the ._ files of macOS.
create or replace function bankpulse.unseen_objects(
  p_object_keys text[], p_etags text[], p_chunk_order text default 'number'
)
returns table (object_key text, object_number bigint, status text)
language sql stable
begin atomic
  select
    listed.object_key,
    numbers.object_number,
    case
      when chunks.status = 'applied' then 'replaced'
      when numbers.object_number is null and p_chunk_order = 'number' then 'unnumbered'
      when chunks.status = 'quarantined' then 'mended'
      else 'new'
    end
  from unnest(p_object_keys, p_etags) as listed (object_key, etag)
  cross join lateral (
    select bankpulse.object_number(listed.object_key, p_chunk_order)
  ) as numbers (object_number)
  left join bankpulse.chunks on chunks.object_key = listed.object_key
  where
    listed.object_key ~* '\.csv(\.gz)?$'
    and listed.object_key !~ '(^|/)(_temporary/|\._[^/]*$)'
    and (
      (chunks.object_key is null and not exists (select from bankpulse.known_as_pruned(listed.object_key)))
      or (chunks.etag <> listed.etag and chunks.listed_etag is distinct from listed.etag)
    )
  order by numbers.object_number, listed.object_key collate "C";
end;

comment on function bankpulse.unseen_objects(text[], text[], text) is
  'Which listed objects are new, mended, have no usable number, or were replaced after they were applied.';
