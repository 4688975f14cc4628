-- Notes that listings show another ETag than the object has, so that it does not count as replaced.
-- In: the key; the ETag of the object as it is now; that of the listing. Writes: chunks. Out: whether it is the object
-- that was applied; if not, nothing is noted.
create or replace function bankpulse.note_listed_etag(p_object_key text, p_etag text, p_listed_etag text) returns boolean
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  update chunks set listed_etag = p_listed_etag
  where object_key = p_object_key and status = 'applied' and etag = p_etag;
  return found;
end;
$$;

comment on function bankpulse.note_listed_etag(text, text, text) is
  'Notes the ETag that listings show for an applied object; returns whether it is the object that was applied.';
