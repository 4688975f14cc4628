-- Adds the touched pairs to the totals of their merchants. A customer counts once, when new to the merchant.
-- Reads: touched_pairs. Writes: merchant_additions, merchant_stats.
create or replace function bankpulse.update_merchant_stats() returns void
language plpgsql volatile
as $$
begin
  insert into merchant_additions (merchant_id, transaction_count, customer_count, female_count, male_count)
  select
    merchant_id,
    sum(added_count),
    count(*) filter (where is_new),
    count(*) filter (where is_new and gender = 'F'),
    count(*) filter (where is_new and gender = 'M')
  from touched_pairs
  group by merchant_id;

  insert into merchant_stats as stats (merchant_id, transaction_count, customer_count, female_count, male_count)
  select merchant_id, transaction_count, customer_count, female_count, male_count
  from merchant_additions
  on conflict (merchant_id) do update
  set
    transaction_count = stats.transaction_count + excluded.transaction_count,
    customer_count = stats.customer_count + excluded.customer_count,
    female_count = stats.female_count + excluded.female_count,
    male_count = stats.male_count + excluded.male_count;
end;
$$;

comment on function bankpulse.update_merchant_stats() is
  'Adds the touched pairs to merchant_stats; fills merchant_additions.';
