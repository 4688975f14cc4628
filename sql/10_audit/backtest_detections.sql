-- The result of a backtest: each detection of the pattern as it is and as it would have been.
-- In: the pattern. Reads: detections, pg_temp.replayed_detections. Out: change (added, removed, earlier, later, same);
-- merchant; customer; the chunk in which it was detected, and the chunk in which it would have been, null if never; in
-- the order of change, chunk, merchant, customer.
create or replace function bankpulse.backtest_detections(p_pattern_id text)
returns table (change text, merchant_id text, customer_id text, chunk_no bigint, other_chunk_no bigint)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select
    case
      when found.chunk_no is null then 'added'
      when other.chunk_no is null then 'removed'
      when other.chunk_no < found.chunk_no then 'earlier'
      when other.chunk_no > found.chunk_no then 'later'
      else 'same'
    end as change,
    coalesce(other.merchant_id, found.merchant_id),
    coalesce(other.customer_id, found.customer_id),
    found.chunk_no,
    other.chunk_no
  from (select * from detections where pattern_id = p_pattern_id) as found
  full join pg_temp.replayed_detections as other
    on other.merchant_id = found.merchant_id and other.customer_id = found.customer_id
  order by
    1, coalesce(other.chunk_no, found.chunk_no),
    coalesce(other.merchant_id, found.merchant_id), coalesce(other.customer_id, found.customer_id);
end;
$$;

comment on function bankpulse.backtest_detections(text) is 'Each detection of a pattern as it is and as it would have been.';
