-- A time in the format of the detection files: Indian Standard Time, ISO 8601 with milliseconds and offset.
-- In: a time. Out: text such as 2026-11-22T22:30:00.123+05:30. Reads no table.
create or replace function bankpulse.format_time(p_time timestamptz) returns text
language sql stable parallel safe
return to_char(p_time at time zone 'Asia/Kolkata', 'YYYY-MM-DD"T"HH24:MI:SS.MS') || '+05:30';

comment on function bankpulse.format_time(timestamptz) is 'Indian Standard Time, ISO 8601 with milliseconds and offset.';
