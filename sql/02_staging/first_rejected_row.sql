-- The first rejected row of a file, as an example for a message.
-- In: the object key or file name. Reads: rejected_rows. Out: its line and the reason; no row if none was rejected.
create or replace function bankpulse.first_rejected_row(p_object_key text)
returns table (line_number bigint, reason text)
language sql stable
begin atomic
  select rejected_rows.line_number, rejected_rows.reason
  from bankpulse.rejected_rows
  where rejected_rows.object_key = p_object_key
  order by rejected_rows.line_number
  limit 1;
end;

comment on function bankpulse.first_rejected_row(text) is 'The first rejected row of a file: its line, and the reason.';
