-- The greatest object number dealt with so far, applied or quarantined: whatever is smaller and unseen comes late.
-- Reads: chunks. Out: the number; null before the first.
create or replace function bankpulse.last_object_number() returns bigint
language sql stable
return (select max(object_number) from bankpulse.chunks);

comment on function bankpulse.last_object_number() is
  'The greatest object number applied or quarantined so far; null before the first.';
