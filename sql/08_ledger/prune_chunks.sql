-- Removes rows of the ledger that nothing needs any more, and remembers in pruned_objects that their objects were
-- applied, in one transaction: at no moment is such an object new. Only the ledger's owner may call it. Mechanism Y may
-- go on meanwhile: it does not touch these rows, and asks chunks and pruned_objects in one statement.
-- In: the chunks, from the first behind p_after up to p_last. Reads: checkpoint; chunks at or behind it stay. Writes:
-- chunks, pruned_objects. Out: how many it removed.
create or replace function bankpulse.prune_chunks(p_after bigint, p_last bigint) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  -- an array, so that the rows are found by index and not by a join with all of the ledger
  v_keys constant text[] := array(
    select prunable.object_key
    from prunable_chunks(p_after, least(p_last, (select checkpoint.chunk_no from checkpoint) - 1)) as prunable
    where exists (select from checkpoint)
  );
  v_removed_count bigint;
begin
  with removed_chunks as (
    delete from chunks where object_key = any (v_keys) returning object_key
  ),
  new_runs as (
    select
      keys.key_head,
      keys.key_tail,
      keys.digit_count,
      range_agg(int8range(keys.number, keys.number, '[]')) as numbers
    from removed_chunks
    cross join lateral split_key(removed_chunks.object_key) as keys
    group by keys.key_head, keys.key_tail, keys.digit_count
  ),
  -- those that the new ones touch or fill up
  former_runs as (
    delete from pruned_objects as runs
    using new_runs
    where
      runs.key_head = new_runs.key_head
      and runs.key_tail = new_runs.key_tail
      and runs.digit_count = new_runs.digit_count
      and runs.first_number <= upper(new_runs.numbers)
      and runs.last_number >= lower(new_runs.numbers) - 1
    returning
      runs.key_head, runs.key_tail, runs.digit_count, int8range(runs.first_number, runs.last_number, '[]') as numbers
  ),
  merged_runs as (
    select key_head, key_tail, digit_count, range_agg(numbers) as numbers
    from (
      select key_head, key_tail, digit_count, unnest(numbers) as numbers from new_runs
      union all
      select key_head, key_tail, digit_count, numbers from former_runs
    ) as touching_runs
    group by key_head, key_tail, digit_count
  ),
  written_runs as (
    insert into pruned_objects (key_head, key_tail, digit_count, first_number, last_number)
    select key_head, key_tail, digit_count, lower(run), upper(run) - 1
    from merged_runs
    cross join lateral unnest(numbers) as runs (run)
  )
  select count(*) into v_removed_count from removed_chunks;
  return v_removed_count;
end;
$$;

comment on function bankpulse.prune_chunks(bigint, bigint) is
  'Removes rows of the ledger that nothing needs any more, and remembers which objects were applied; returns how many.';
