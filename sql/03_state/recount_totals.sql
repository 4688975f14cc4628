-- Counts all totals anew: what the tables hold now, and what was removed from them. No chunk is applied meanwhile.
-- Reads: chunks, detections, detection_batches. Writes: pipeline_totals, pattern_totals, merchant_totals. Only the
-- tables' owner may call it. Costs a read of these tables; npm run rebuild calls it.
create or replace function bankpulse.recount_totals() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  lock table chunks, detections, detection_batches in share row exclusive mode;

  insert into pipeline_totals (scope) values ('all'), ('removed') on conflict do nothing;
  update pipeline_totals as totals
  set
    chunks_applied = removed.chunks_applied + ledger.chunks_applied,
    chunks_quarantined = ledger.chunks_quarantined,
    rows_applied = removed.rows_applied + ledger.rows_applied,
    rows_rejected = removed.rows_rejected + ledger.rows_rejected,
    batches_closed = removed.batches_closed + outbox.batches_closed
  from pipeline_totals as removed
  cross join (
    select
      count(*) filter (where status = 'applied') as chunks_applied,
      count(*) filter (where status = 'quarantined') as chunks_quarantined,
      coalesce(sum(row_count), 0) as rows_applied,
      coalesce(sum(rejected_count), 0) as rows_rejected
    from chunks
  ) as ledger
  cross join (select count(*) as batches_closed from detection_batches) as outbox
  where totals.scope = 'all' and removed.scope = 'removed';

  delete from pattern_totals;
  insert into pattern_totals (pattern_id, detection_count)
  select pattern_id, count(*) from detections group by pattern_id;

  delete from merchant_totals;
  insert into merchant_totals (merchant_id, detection_count)
  select merchant_id, count(*) from detections group by merchant_id;
end;
$$;

comment on function bankpulse.recount_totals() is 'Counts all totals anew, from the tables and from what was removed from them.';

-- The first time. The triggers have been created before, in this transaction: no chunk has come in between.
select bankpulse.recount_totals() where not exists (select from bankpulse.pipeline_totals);
