-- Compares the audited database's state with what the replay makes of the same chunks: pairs as they are, merchants
-- and their histogram as sums over the pairs, and what PatId1 remembers.
-- Reads: customer_merchant_stats, patterns, detections, pg_temp.audited_*. Writes: upgrade_candidates,
-- merchant_top_counts (built from nothing, to compare with). Out: differences, one a row.
--
-- A candidate that is detected already, and a merchant without a noted top count, do no harm and are no differences:
-- the next chunk only looks at more than it must.
create or replace function bankpulse.compare_state() returns setof text
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select
    format(
      'customer_merchant_stats, merchant %s, customer %s: %s; the replay has %s',
      merchant_id, customer_id,
      coalesce(audited.gender || ', ' || audited.transaction_count || ', ' || audited.total_amount, 'no row'),
      coalesce(replayed.gender || ', ' || replayed.transaction_count || ', ' || replayed.total_amount, 'no row')
    )
  from pg_temp.audited_pairs as audited
  full join customer_merchant_stats as replayed using (merchant_id, customer_id)
  where
    (audited.gender, audited.transaction_count, audited.total_amount)
    is distinct from (replayed.gender, replayed.transaction_count, replayed.total_amount)
  order by merchant_id, customer_id;

  return query
  with replayed_merchants as (
    select
      merchant_id,
      sum(transaction_count)::bigint as transaction_count,
      count(*) as customer_count,
      count(*) filter (where gender = 'F') as female_count,
      count(*) filter (where gender = 'M') as male_count
    from customer_merchant_stats
    group by merchant_id
  )
  select
    format(
      'merchant_stats, merchant %s: %s; the replay has %s',
      merchant_id,
      coalesce(
        audited.transaction_count || ', ' || audited.customer_count || ', ' || audited.female_count || ', ' || audited.male_count,
        'no row'
      ),
      coalesce(
        replayed.transaction_count || ', ' || replayed.customer_count || ', ' || replayed.female_count || ', ' || replayed.male_count,
        'no row'
      )
    )
  from pg_temp.audited_merchants as audited
  full join replayed_merchants as replayed using (merchant_id)
  where
    (audited.transaction_count, audited.customer_count, audited.female_count, audited.male_count)
    is distinct from
    (replayed.transaction_count, replayed.customer_count, replayed.female_count, replayed.male_count)
  order by merchant_id;

  return query
  with replayed_histogram as (
    select merchant_id, transaction_count, count(*) as customer_count
    from customer_merchant_stats
    group by merchant_id, transaction_count
  )
  select
    format(
      'merchant_count_histogram, merchant %s, %s transactions: %s customers; the replay has %s',
      merchant_id, transaction_count, coalesce(audited.customer_count, 0), coalesce(replayed.customer_count, 0)
    )
  from pg_temp.audited_histogram as audited
  full join replayed_histogram as replayed using (merchant_id, transaction_count)
  where coalesce(audited.customer_count, 0) <> coalesce(replayed.customer_count, 0)
  order by merchant_id, transaction_count;

  -- while PatId1 is not looked for, nobody keeps what it remembers; it is built anew when that changes
  if not exists (select from patterns where pattern_id = 'PatId1' and is_enabled) then
    return;
  end if;

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

comment on function bankpulse.compare_state() is
  'Differences between the audited database''s state and that of the replay.';
