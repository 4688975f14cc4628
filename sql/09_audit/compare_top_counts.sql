-- Compares where the top share of each merchant's customers begins, as the audited database noted it, with the pairs of
-- the replay.
-- Reads: customer_merchant_stats, patterns, pg_temp.audited_top_counts. Out: differences, one a row.
--
-- A merchant without a noted top count does no harm and is no difference: the next chunk only looks at more than it
-- must.
create or replace function bankpulse.compare_top_counts() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with ranked_counts as (
    select
      merchant_id,
      transaction_count,
      rank() over (partition by merchant_id order by transaction_count) - 1 as smaller_counts,
      count(*) over (partition by merchant_id) as customer_count
    from customer_merchant_stats
  ),
  top_counts as (
    select ranked_counts.merchant_id, min(ranked_counts.transaction_count) as top_count
    from ranked_counts
    inner join patterns on patterns.pattern_id = 'PatId1'
    where
      ranked_counts.smaller_counts
      >= threshold(patterns.thresholds, 'count_percent_rank_from') * greatest(ranked_counts.customer_count - 1, 1)
    group by ranked_counts.merchant_id
  )
  select
    format(
      'merchant_top_counts, merchant %s: %s; the replay has %s',
      merchant_id, coalesce(audited.top_count::text, 'nobody'), coalesce(top_counts.top_count::text, 'nobody')
    )
  from pg_temp.audited_top_counts as audited
  left join top_counts using (merchant_id)
  where audited.top_count is distinct from top_counts.top_count
  order by merchant_id;
end;
$$;

comment on function bankpulse.compare_top_counts() is
  'Differences between the audited merchant_top_counts and the replay''s pairs.';
