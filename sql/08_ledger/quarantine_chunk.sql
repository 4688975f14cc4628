-- Quarantines an object because of its content: mechanism Y does not read it again until its ETag has changed, or until
-- retry_quarantined_chunk.
-- In: the caller's run; key, ETag (of the listing, with which later listings are compared) and size of the object; the
-- reason; CHUNK_ORDER. Writes: chunks; a quarantined row with another ETag is replaced. Safe to call again.
-- Out: whether that is new in the ledger; a listing that began before may show the object once more.
-- Raises BP001 (lease_lost).
create or replace function bankpulse.quarantine_chunk(
  p_run_id bigint,
  p_object_key text,
  p_etag text,
  p_size_bytes bigint,
  p_error text,
  p_chunk_order text default 'number'
) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_object_number bigint := object_number(p_object_key, p_chunk_order);
begin
  perform hold_lease(p_run_id);
  if exists (select from chunks where object_key = p_object_key and status = 'quarantined' and etag <> p_etag) then
    perform retry_quarantined_chunk(p_object_key);
  end if;
  insert into chunks (object_key, object_number, etag, size_bytes, status, quarantined_at, run_id, error, is_late)
  select
    p_object_key,
    v_object_number,
    p_etag,
    p_size_bytes,
    'quarantined',
    clock_timestamp(),
    p_run_id,
    p_error,
    comes_late(p_object_key, v_object_number, p_chunk_order)
  where not exists (select from known_as_pruned(p_object_key))
  on conflict (object_key) do nothing;
  return found;
end;
$$;

comment on function bankpulse.quarantine_chunk(bigint, text, text, bigint, text, text) is
  'Enters the object into the ledger as quarantined, with the reason; returns whether that is new.';
