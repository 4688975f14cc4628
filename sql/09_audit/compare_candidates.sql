-- Compares the audited database's candidates of PatId1 with those the weights give.
-- Reads: detections, pg_temp.audited_candidates, and what rebuild_upgrade_candidates reads. Writes: upgrade_candidates,
-- merchant_top_counts (built from nothing, to compare with). Out: differences, one a row.
--
-- A candidate that is detected already does no harm and is no difference: the next chunk only looks at more than it
-- must.
create or replace function bankpulse.compare_candidates() returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  perform rebuild_upgrade_candidates();
  return query
  select
    format(
      'upgrade_candidates, merchant %s, customer %s: %s',
      merchant_id, customer_id,
      case
        when audited.weight_count is null then 'missing'
        when expected.weight_count is null then 'not a candidate'
        else 'its weight or rank is not that of customer_weights'
      end
    )
  from pg_temp.audited_candidates as audited
  full join upgrade_candidates as expected using (merchant_id, customer_id)
  where
    (audited.average_weight, audited.smaller_weights, audited.weight_count)
    is distinct from (expected.average_weight, expected.smaller_weights, expected.weight_count)
    and not exists (
      select from detections
      where
        detections.pattern_id = 'PatId1'
        and detections.merchant_id = coalesce(audited.merchant_id, expected.merchant_id)
        and detections.customer_id = coalesce(audited.customer_id, expected.customer_id)
    )
  order by merchant_id, customer_id;
end;
$$;

comment on function bankpulse.compare_candidates() is
  'Differences between the audited upgrade_candidates and those the weights give.';
