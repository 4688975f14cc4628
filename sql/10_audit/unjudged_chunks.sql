-- The replayed chunks whose patterns could not be judged again, a row for each run of chunks with one reason.
-- Reads: pg_temp.replayed_chunks. Out: first and last chunk, and the reason as a clause, in the order of chunks.
create or replace function bankpulse.unjudged_chunks()
returns table (first_chunk_no bigint, last_chunk_no bigint, because text)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query
  select min(chunk_no), max(chunk_no), unjudged_because
  from (
    select
      chunk_no,
      unjudged_because,
      chunk_no - row_number() over (partition by unjudged_because order by chunk_no) as span
    from pg_temp.replayed_chunks
    where unjudged_because is not null
  ) as unjudged
  group by unjudged_because, span
  order by 1;
end;
$$;

comment on function bankpulse.unjudged_chunks() is 'The chunks whose patterns could not be judged again, and why.';
