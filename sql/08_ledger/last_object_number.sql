-- The greatest object number applied or quarantined so far; an unseen object with a smaller number is late.
-- Reads: chunks. Out: the number; null before the first.
create or replace function bankpulse.last_object_number() returns bigint
language sql stable
return (select max(object_number) from bankpulse.chunks);

comment on function bankpulse.last_object_number() is
  'The greatest object number applied or quarantined so far; null before the first.';
