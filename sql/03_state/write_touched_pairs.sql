-- Writes the touched pairs back to the state of each (merchant, customer).
-- Reads: pg_temp.touched_pairs. Writes: customer_merchant_stats. Raises 40001 if another session has changed the
-- state since the pairs were collected; only a session that ignores the lease can do that.
--
-- The update finds each pair by its ctid and needs no second index lookup; the row stays where it is, because no
-- other session writes while this one holds the lease. execute plans the update anew each time, and the settings
-- below keep the planner from reading the whole table while it is small.
create or replace function bankpulse.write_touched_pairs() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_updated_count bigint;
begin
  execute $sql$
    update customer_merchant_stats as stats
    set transaction_count = touched_pairs.transaction_count, total_amount = touched_pairs.total_amount
    from pg_temp.touched_pairs
    where stats.ctid = touched_pairs.stats_row and not touched_pairs.is_new
  $sql$;
  get diagnostics v_updated_count = row_count;
  if v_updated_count <> (select count(*) from pg_temp.touched_pairs where not is_new) then
    raise exception 'customer_merchant_stats was changed while a chunk was applied' using errcode = '40001';
  end if;

  insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant_id, customer_id, gender, transaction_count, total_amount
  from pg_temp.touched_pairs
  where is_new;
end;
$$;

comment on function bankpulse.write_touched_pairs() is 'Writes the touched pairs to customer_merchant_stats.';
