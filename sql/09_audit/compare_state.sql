-- Compares the audited database's state with the state that the replay gives: its pairs, and what the derived_* views
-- compute from them.
-- Reads: pg_temp.audited_pairs, merchant_stats, merchant_count_histogram, upgrade_candidates, merchant_top_counts,
-- all copied from the audited database; customer_merchant_stats, which the replay has filled; derived_*, detections.
-- Out: differences, one a row.
--
-- A candidate that is detected already is no difference, nor is a merchant without a row in merchant_top_counts: with
-- them the next chunk finds the same detections and only looks at more candidates.
create or replace function bankpulse.compare_state() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with audited_rows (table_name, content) as (
    select 'customer_merchant_stats', to_jsonb(audited) from pg_temp.audited_pairs as audited
    union all
    select 'merchant_stats', to_jsonb(audited) from merchant_stats as audited
    union all
    select 'merchant_count_histogram', to_jsonb(audited) from merchant_count_histogram as audited
    union all
    select 'merchant_top_counts', to_jsonb(audited) from merchant_top_counts as audited
    union all
    select 'upgrade_candidates', to_jsonb(audited) from upgrade_candidates as audited
    where
      not exists (
        select from detections
        where
          detections.merchant_id = audited.merchant_id
          and detections.pattern_id = 'PatId1'
          and detections.customer_id = audited.customer_id
      )
  ),
  replayed_rows (table_name, content) as (
    select 'customer_merchant_stats', to_jsonb(replayed) from customer_merchant_stats as replayed
    union all
    select 'merchant_stats', to_jsonb(replayed) from derived_merchant_stats as replayed
    union all
    select 'merchant_count_histogram', to_jsonb(replayed) from derived_merchant_count_histogram as replayed
    union all
    select 'merchant_top_counts', to_jsonb(replayed) from derived_merchant_top_counts as replayed
    union all
    select 'upgrade_candidates', to_jsonb(replayed) from derived_upgrade_candidates as replayed
  ),
  differing_rows as (
    select true as is_audited, * from (table audited_rows except table replayed_rows) as surplus_rows
    union all
    select false, * from (table replayed_rows except table audited_rows) as missing_rows
  ),
  keyed_rows as (
    select
      is_audited,
      table_name collate "C" as table_name,
      (content ->> 'merchant_id') collate "C" as merchant_id,
      (content ->> 'customer_id') collate "C" as customer_id,
      case table_name when 'merchant_count_histogram' then content -> 'transaction_count' end as histogram_count,
      (content - 'merchant_id' - 'customer_id')::text as numbers
    from differing_rows
  )
  select
    format(
      '%s, merchant %s%s: %s; the replay has %s',
      table_name, merchant_id, ', customer ' || customer_id,
      coalesce(max(numbers) filter (where is_audited), 'no row'),
      coalesce(max(numbers) filter (where not is_audited), 'no row')
    )
  from keyed_rows
  group by table_name, merchant_id, customer_id, histogram_count
  order by table_name, merchant_id, customer_id, histogram_count;
end;
$$;

comment on function bankpulse.compare_state() is
  'Differences between the audited database''s state and the state that the replay gives.';
