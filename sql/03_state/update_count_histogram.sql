-- Moves each touched customer from the old number of transactions to the new one in the merchant's histogram. A
-- number that no customer has any more loses its row, so the histogram has no more rows than numbers that occur.
-- Reads: pg_temp.touched_pairs. Writes: merchant_count_histogram.
create or replace function bankpulse.update_count_histogram() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  -- execute plans the statement anew each time. Where a chunk changes a good part of the histogram, reading all of it
  -- is cheaper than a lookup per change; a plan cached while it was tiny would read all of it for ever.
  execute $sql$
    merge into merchant_count_histogram as histogram
    using (
      select merchant_id, transaction_count, sum(change) as change
      from (
        select merchant_id, transaction_count, 1 as change
        from pg_temp.touched_pairs
        union all
        select merchant_id, transaction_count - added_count, -1
        from pg_temp.touched_pairs
        where not is_new
      ) as moves
      group by merchant_id, transaction_count
      having sum(change) <> 0
    ) as changes
    on
      histogram.merchant_id = changes.merchant_id
      and histogram.transaction_count = changes.transaction_count
    when matched and histogram.customer_count + changes.change = 0 then delete
    when matched then update set customer_count = histogram.customer_count + changes.change
    when not matched then
      insert (merchant_id, transaction_count, customer_count)
      values (changes.merchant_id, changes.transaction_count, changes.change)
  $sql$;
end;
$$;

comment on function bankpulse.update_count_histogram() is 'Moves the touched pairs in merchant_count_histogram.';
