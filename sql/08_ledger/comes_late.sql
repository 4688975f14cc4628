-- Whether an object comes behind its turn. By number: a greater number was applied or quarantined before. By name: a
-- greater key was applied before.
-- In: the object's key and number (null if chunks go by name); CHUNK_ORDER. Reads: chunks.
create or replace function bankpulse.comes_late(p_object_key text, p_object_number bigint, p_chunk_order text)
returns boolean
language sql stable
return case p_chunk_order
  when 'name' then exists (select from bankpulse.chunks where object_key > p_object_key and status = 'applied')
  else coalesce(p_object_number < (select max(object_number) from bankpulse.chunks), false)
end;

comment on function bankpulse.comes_late(text, bigint, text) is
  'Whether an object comes behind its turn, by the order of numbers or of names.';
