-- Keeps the totals of the ledger. An applied row that is deleted counts as removed: totals never go down because the
-- ledger is pruned. A quarantined row that is deleted is quarantined no more.
-- Reads: the rows that the statement added or deleted. Writes: pipeline_totals.
create or replace function bankpulse.count_chunks() returns trigger
language plpgsql
set search_path = bankpulse, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    update pipeline_totals as totals
    set
      chunks_applied = totals.chunks_applied + changed.applied_count,
      chunks_quarantined = totals.chunks_quarantined + changed.quarantined_count,
      rows_applied = totals.rows_applied + changed.row_count,
      rows_rejected = totals.rows_rejected + changed.rejected_count
    from (
      select
        count(*) filter (where status = 'applied') as applied_count,
        count(*) filter (where status = 'quarantined') as quarantined_count,
        sum(row_count) as row_count,
        sum(rejected_count) as rejected_count
      from changed_rows
    ) as changed
    where totals.scope = 'all' and changed.applied_count + changed.quarantined_count > 0;
  else
    update pipeline_totals as totals
    set
      chunks_applied = totals.chunks_applied + changed.applied_count,
      rows_applied = totals.rows_applied + changed.row_count,
      rows_rejected = totals.rows_rejected + changed.rejected_count
    from (
      select count(*) as applied_count, sum(row_count) as row_count, sum(rejected_count) as rejected_count
      from changed_rows
      where status = 'applied'
    ) as changed
    where totals.scope = 'removed' and changed.applied_count > 0;

    update pipeline_totals as totals
    set chunks_quarantined = totals.chunks_quarantined - changed.quarantined_count
    from (select count(*) as quarantined_count from changed_rows where status = 'quarantined') as changed
    where totals.scope = 'all' and changed.quarantined_count > 0;
  end if;
  return null;
end;
$$;

comment on function bankpulse.count_chunks() is 'Trigger: keeps the totals of the ledger.';

create or replace trigger count_chunks after insert on bankpulse.chunks
referencing new table as changed_rows
for each statement execute function bankpulse.count_chunks();
create or replace trigger count_deleted_chunks after delete on bankpulse.chunks
referencing old table as changed_rows
for each statement execute function bankpulse.count_chunks();
