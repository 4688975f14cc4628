-- Sets the patterns of the scratch database to those that a chunk of the ledger was judged by.
-- In: the chunk. Reads: chunks, rules_history, importance_file, pattern_functions, pg_temp.replayed_chunks. Writes:
-- patterns. Out: null; or why the chunk cannot be judged again, as a clause.
create or replace function bankpulse.use_rules_of(p_chunk_no bigint) returns text
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_rules rules_history;
  v_fault text;
begin
  select rules_history.* into v_rules
  from chunks
  inner join rules_history on rules_history.rules_hash = chunks.rules_hash
  where chunks.chunk_no = p_chunk_no;
  if not found then
    return 'rules that are not known any more';
  end if;
  if v_rules.importance_fingerprint is distinct from (select fingerprint from importance_file) then
    return 'another importance file';
  end if;
  -- a database of a former version has no definitions in its first row of the history
  select
    case
      when functions.function_name is null
        then format('function %s, which is not in sql/', former.value ->> 'match_function')
      else format('another version of function %s', functions.function_name)
    end
  into v_fault
  from jsonb_each(v_rules.patterns) as former
  left join pattern_functions as functions on functions.function_name = (former.value ->> 'match_function')::name
  where functions.function_name is null or former.value ->> 'match_definition' <> functions.definition_hash
  order by former.key
  limit 1;
  if found then
    return v_fault;
  end if;

  if exists (
    select from chunks
    inner join pg_temp.replayed_chunks as replayed on replayed.chunk_no = chunks.chunk_no
    where chunks.chunk_no = p_chunk_no - 1 and chunks.rules_hash = v_rules.rules_hash and unjudged_because is null
  ) then
    return null; -- they are set already
  end if;
  update patterns set is_enabled = false where is_enabled;
  insert into patterns (pattern_id, action_type, description, match_function, detect_function, remembers, thresholds)
  select
    former.key,
    former.value ->> 'action_type',
    '',
    former.value ->> 'match_function',
    former.value ->> 'detect_function',
    array(select jsonb_array_elements_text(former.value -> 'remembers')),
    former.value -> 'thresholds'
  from jsonb_each(v_rules.patterns) as former
  on conflict (pattern_id) do update
  set match_function = excluded.match_function, thresholds = excluded.thresholds, is_enabled = true;
  return null;
end;
$$;

comment on function bankpulse.use_rules_of(bigint) is
  'Sets the scratch database''s patterns to those of a chunk; returns why that is not possible, or null.';
