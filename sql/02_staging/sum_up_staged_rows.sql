-- Sums up the staged rows by pair, unless that is done. The session that stages a chunk does it while another one applies the
-- chunk before; process_chunk does it for rows that came the careful way. In a lane there is nothing to do, because
-- its workers sum up when they are asked: to keep the sums would take two statements more for each shard.
-- Reads: staged_pairs. Writes: summed_pairs.
create or replace function bankpulse.sum_up_staged_rows() returns void
language plpgsql volatile
as $$
begin
  -- by itself: Citus would plan the second condition with the first
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
    -- The pairs of a merchant stand together in the index of the state: one after the other they find its pages in the
    -- processor's cache, where they are looked up and where new ones are added. Numbers are sorted faster than texts, and any order
    -- of the merchants will do.
    order by hashtext(merchant_id)
  $sql$;
end;
$$;

comment on function bankpulse.sum_up_staged_rows() is 'Sums up the staged rows by pair in summed_pairs, unless that is done.';
