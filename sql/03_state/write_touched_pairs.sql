-- Writes the touched pairs back to the state of each (merchant, customer).
-- In: the number of pairs. Reads: touched_pairs. Writes: customer_merchant_stats. Raises 40001 if the state has changed
-- since the pairs were collected: by a session that ignores the lease, or, on a distributed database, because a worker
-- had not committed the chunk before.
--
-- The update finds each pair by its ctid and needs no second index lookup; the row stays where it is, because no
-- other session writes while this one holds the lease. execute plans the update anew each time, and the settings
-- below keep the planner from reading the whole table while it is small.
create or replace function bankpulse.write_touched_pairs(p_pair_count bigint) returns void
language plpgsql volatile
set enable_hashjoin = off
set enable_mergejoin = off
set enable_indexscan = off
set enable_bitmapscan = off
as $$
declare
  v_updated_count bigint;
  v_inserted_count bigint;
begin
  execute $sql$
    update customer_merchant_stats as stats
    set transaction_count = touched_pairs.transaction_count, total_amount = touched_pairs.total_amount
    from touched_pairs
    where
      stats.ctid = touched_pairs.stats_row
      -- Citus joins only by the column of distribution. Workers plan without the settings above: by both keys they look up
      -- one row, by the merchant alone all of its customers.
      and stats.merchant_id = touched_pairs.merchant_id
      and stats.customer_id = touched_pairs.customer_id
      -- A row that changed while this waited for it is compared again, and PostgreSQL compares ctid then only since 15.15,
      -- 16.11, 17.7 and 18.1.
      and stats.transaction_count = touched_pairs.transaction_count - touched_pairs.added_count
      and not touched_pairs.is_new
  $sql$;
  get diagnostics v_updated_count = row_count;

  insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant_id, customer_id, gender, transaction_count, total_amount
  from touched_pairs
  where is_new;
  get diagnostics v_inserted_count = row_count;

  if v_updated_count + v_inserted_count <> p_pair_count then
    raise exception 'customer_merchant_stats was changed while a chunk was applied' using errcode = '40001';
  end if;
end;
$$;

comment on function bankpulse.write_touched_pairs(bigint) is 'Writes the touched pairs to customer_merchant_stats.';
