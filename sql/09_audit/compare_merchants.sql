-- Compares the audited database's merchants with sums over the pairs of the replay.
-- Reads: customer_merchant_stats, pg_temp.audited_merchants. Out: differences, one a row.
create or replace function bankpulse.compare_merchants() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
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
end;
$$;

comment on function bankpulse.compare_merchants() is
  'Differences between the audited merchant_stats and sums over the replay''s pairs.';
