-- Sums up the staged rows by pair, unless that is done. The session that stages a chunk calls it while another session applies
-- the chunk before. process_chunk calls it again, for the rows of the careful way, which are not staged before that. In a lane
-- there is nothing to do: summed_pairs is a view there, because keeping the sums would cost each shard two statements more.
-- Reads: staged_pairs. Writes: summed_pairs.
create or replace function bankpulse.sum_up_staged_rows() returns void
language plpgsql volatile
-- compiling a query costs more than it saves if the query takes a few milliseconds
set jit = off
as $$
begin
  -- in a statement of its own: Citus would plan the next condition together with this one
  if bankpulse.staging_lane() is not null then
    return;
  end if;
  if exists (select from summed_pairs) then
    return;
  end if;
  -- execute plans the statement anew each time: a plan that was made for a few rows would sort thousands
  execute $sql$
    insert into summed_pairs (merchant_id, customer_id, transaction_count, total_amount, first_gender)
    select merchant_id, customer_id, transaction_count, total_amount, first_gender
    from staged_pairs
    -- Where each pair is looked up by index, those of a merchant stand together there: one after the other they find its
    -- pages in the processor's cache. Numbers are sorted faster than texts, and any order of the merchants will do.
    order by hashtext(merchant_id)
  $sql$;
end;
$$;

comment on function bankpulse.sum_up_staged_rows() is 'Sums up the staged rows by pair in summed_pairs, unless that is done.';
