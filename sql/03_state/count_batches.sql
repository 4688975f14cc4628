-- Keeps the total of the outbox. A batch that is deleted counts as removed.
-- Reads: the rows that the statement added or deleted. Writes: pipeline_totals.
create or replace function bankpulse.count_batches() returns trigger
language plpgsql
set search_path = bankpulse, pg_temp
as $$
begin
  update pipeline_totals as totals
  set batches_closed = totals.batches_closed + changed.batch_count
  from (select count(*) as batch_count from changed_rows) as changed
  where totals.scope = case tg_op when 'INSERT' then 'all' else 'removed' end and changed.batch_count > 0;
  return null;
end;
$$;

comment on function bankpulse.count_batches() is 'Trigger: keeps the total of the outbox.';

create or replace trigger count_batches after insert on bankpulse.detection_batches
referencing new table as changed_rows
for each statement execute function bankpulse.count_batches();
create or replace trigger count_deleted_batches after delete on bankpulse.detection_batches
referencing old table as changed_rows
for each statement execute function bankpulse.count_batches();
