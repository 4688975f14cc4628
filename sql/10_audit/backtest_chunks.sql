-- The result of a backtest by chunk: how many detections of the pattern there are and would have been.
-- In: the pattern. Reads: chunks, and what backtest_detections reads. Out: the chunks in which there are or would have
-- been any, in their order.
create or replace function bankpulse.backtest_chunks(p_pattern_id text)
returns table (chunk_no bigint, detection_count bigint, other_detection_count bigint)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  with compared as (
    select * from backtest_detections(p_pattern_id)
  ),
  counted as (
    select compared.chunk_no, 1 as detections, 0 as other_detections from compared where compared.chunk_no is not null
    union all
    select compared.other_chunk_no, 0, 1 from compared where compared.other_chunk_no is not null
  )
  select counted.chunk_no, sum(counted.detections)::bigint, sum(counted.other_detections)::bigint
  from counted
  group by counted.chunk_no
  order by counted.chunk_no;
end;
$$;

comment on function bankpulse.backtest_chunks(text) is 'How many detections of a pattern each chunk has and would have had.';
