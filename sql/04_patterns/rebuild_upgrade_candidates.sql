-- Builds the candidates of PatId1 from nothing: every pair whose weight is in the merchant's bottom share (10 % by
-- default), unless it is detected already; none while the pattern is disabled. Called when thresholds or weights have
-- changed, and when the pattern is enabled.
-- Reads: patterns, customer_weights, detections. Writes: upgrade_candidates, merchant_top_counts.
create or replace function bankpulse.rebuild_upgrade_candidates() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_weight_percent_rank_up_to constant numeric := (
    select threshold(thresholds, 'weight_percent_rank_up_to') from patterns where pattern_id = 'PatId1' and is_enabled
  );
begin
  delete from upgrade_candidates;
  -- every merchant counts as not looked at yet
  delete from merchant_top_counts;

  with ranked_weights as (
    select
      merchant_id,
      customer_id,
      average_weight,
      rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
      count(*) over (partition by merchant_id) as weight_count
    from customer_weights
  ),
  low_weights as (
    select *
    from ranked_weights
    where smaller_weights <= v_weight_percent_rank_up_to * greatest(weight_count - 1, 1)
  )
  insert into upgrade_candidates (merchant_id, customer_id, average_weight, smaller_weights, weight_count)
  select merchant_id, customer_id, average_weight, smaller_weights, weight_count
  from low_weights
  where
    not exists (
      select from detections
      where
        detections.merchant_id = low_weights.merchant_id
        and detections.pattern_id = 'PatId1'
        and detections.customer_id = low_weights.customer_id
    )
  order by merchant_id, customer_id;
end;
$$;

comment on function bankpulse.rebuild_upgrade_candidates() is
  'Builds upgrade_candidates again from the weights, without what is detected.';
