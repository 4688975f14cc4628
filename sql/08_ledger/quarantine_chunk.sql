-- Quarantines an object because of its content: mechanism Y does not read it again until retry_quarantined_chunk.
-- In: the caller's run; key, ETag and size of the object; the reason. Writes: chunks. Safe to call again.
-- Out: whether it is new in the ledger; a listing that began before that may show it once more.
-- Raises BP001 (lease_lost).
create or replace function bankpulse.quarantine_chunk(
  p_run_id bigint,
  p_object_key text,
  p_etag text,
  p_size_bytes bigint,
  p_error text
) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform hold_lease(p_run_id);
  insert into chunks (object_key, object_number, etag, size_bytes, status, quarantined_at, run_id, error, is_late)
  values (
    p_object_key,
    object_number(p_object_key),
    p_etag,
    p_size_bytes,
    'quarantined',
    clock_timestamp(),
    p_run_id,
    p_error,
    coalesce(object_number(p_object_key) < (select max(object_number) from chunks), false)
  )
  on conflict (object_key) do nothing;
  return found;
end;
$$;

comment on function bankpulse.quarantine_chunk(bigint, text, text, bigint, text) is
  'Enters the object into the ledger as quarantined, with the reason; returns whether it was not there yet.';
