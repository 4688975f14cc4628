-- Compares the audited database's histogram with what the pairs of the replay give.
-- Reads: customer_merchant_stats, pg_temp.audited_histogram. Out: differences, one a row.
create or replace function bankpulse.compare_histogram() returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
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
end;
$$;

comment on function bankpulse.compare_histogram() is
  'Differences between the audited merchant_count_histogram and the replay''s pairs.';
