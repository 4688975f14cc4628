-- A pattern's thresholds with some of them replaced.
-- In: the pattern, and the new values, an object; those not named keep theirs. Out: all thresholds. Reads: patterns.
-- Raises BP007 (no_such_rule) and says which names there are.
create or replace function bankpulse.changed_thresholds(p_pattern_id text, p_thresholds jsonb) returns jsonb
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_thresholds jsonb;
  v_problems text;
begin
  select thresholds into v_thresholds from patterns where pattern_id = p_pattern_id;
  if not found then
    raise exception 'there is no pattern "%"; there are: %',
      p_pattern_id, (select coalesce(string_agg(pattern_id, ', ' order by pattern_id), 'none') from patterns)
    using errcode = 'BP007';
  end if;
  select string_agg(problem, '; ' order by name) into v_problems
  from (
    select
      given.key as name,
      case
        when not v_thresholds ? given.key then
          format(
            'there is no threshold "%s" of %s; there are: %s',
            given.key, p_pattern_id, (select string_agg(name, ', ' order by name) from jsonb_object_keys(v_thresholds) as names (name))
          )
        when jsonb_typeof(given.value) <> 'number' then
          format('%s is %s, which is no number', given.key, given.value)
      end as problem
    from jsonb_each(p_thresholds) as given
  ) as problems;
  if v_problems is not null then
    raise exception '%', v_problems using errcode = 'BP007';
  end if;
  return v_thresholds || p_thresholds;
end;
$$;

comment on function bankpulse.changed_thresholds(text, jsonb) is 'A pattern''s thresholds with some of them replaced, or BP007.';
