-- Compares the running totals with the tables that they count. What was removed from these tables counts, too.
-- Reads: pipeline_totals, pattern_totals, merchant_totals, chunks, detections, detection_batches. Out: differences, one
-- a row. Unlike the other functions of the audit, it is called in the audited database.
create or replace function bankpulse.compare_totals() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with ledger as (
    select
      count(*) filter (where status = 'applied') as chunks_applied,
      count(*) filter (where status = 'quarantined') as chunks_quarantined,
      coalesce(sum(row_count), 0) as rows_applied,
      coalesce(sum(rejected_count), 0) as rows_rejected,
      (select count(*) from detection_batches) as batches_closed
    from chunks
  ),
  totals as (
    select names.name, (to_jsonb(pipeline_totals) ->> names.name)::numeric as total, pipeline_totals.scope
    from pipeline_totals
    cross join lateral jsonb_object_keys(to_jsonb(pipeline_totals) - 'scope') as names (name)
  ),
  compared_totals as (
    select
      counted.name as what,
      counted.total,
      coalesce(removed.total, 0) + (to_jsonb(ledger) ->> counted.name)::numeric as expected
    from totals as counted
    left join totals as removed on removed.name = counted.name and removed.scope = 'removed'
    cross join ledger
    where counted.scope = 'all'
    union all
    select
      'detections of ' || pattern_id,
      coalesce(pattern_totals.detection_count, 0),
      coalesce(found.detection_count, 0)
    from pattern_totals
    full join (
      select pattern_id, count(*) as detection_count from detections group by pattern_id
    ) as found using (pattern_id)
    union all
    select
      'detections at ' || merchant_id,
      coalesce(merchant_totals.detection_count, 0),
      coalesce(found.detection_count, 0)
    from merchant_totals
    full join (
      select merchant_id, count(*) as detection_count from detections group by merchant_id
    ) as found using (merchant_id)
  )
  select format('total of %s: %s is recorded, the tables have %s; recount_totals() counts anew', what, total, expected)
  from compared_totals
  where total <> expected
  order by what collate "C";
end;
$$;

comment on function bankpulse.compare_totals() is 'Differences between the running totals and the tables that they count.';
