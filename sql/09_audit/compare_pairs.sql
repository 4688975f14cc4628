-- Compares the audited database's pairs with those of the replay.
-- Reads: customer_merchant_stats, pg_temp.audited_pairs. Out: differences, one a row.
create or replace function bankpulse.compare_pairs() returns setof text
language plpgsql stable
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
end;
$$;

comment on function bankpulse.compare_pairs() is
  'Differences between the audited customer_merchant_stats and the replay''s.';
