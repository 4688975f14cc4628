-- Checks a row of patterns when it is written, so that mechanism Y does not end because of it: its functions exist,
-- take p_thresholds jsonb, return merchant_id, customer_id and reason, and run with the rights of the role that calls
-- them; its thresholds are numbers whose names say how they compare, and, if it is enabled, none that the match function
-- needs is missing; each table that it remembers has a view derived_<table>. A row is checked only where it changes.
-- Reads: pg_proc, pg_class. Raises BP006 (rule_unusable), BP004 (threshold_missing).
create or replace function bankpulse.check_pattern() returns trigger
language plpgsql
set search_path = bankpulse, pg_temp
as $$
declare
  v_is_new constant boolean := tg_op = 'INSERT';
  v_fault text;
begin
  if v_is_new or (new.match_function, new.detect_function) is distinct from (old.match_function, old.detect_function) then
    select format('function bankpulse.%s %s', names.function_name, faults.fault) into v_fault
    from unnest(array[new.match_function, new.detect_function]) as names (function_name)
    left join pg_proc as functions on functions.oid = to_regprocedure(format('bankpulse.%I(jsonb)', names.function_name))
    cross join lateral (
      select
        case
          when functions.oid is null then 'with one argument of type jsonb does not exist'
          when functions.prosecdef then 'is security definer: it must run with the rights of mechanism Y''s role'
          when
            pg_get_function_result(functions.oid) <> 'TABLE(merchant_id text, customer_id text, reason jsonb)'
            then 'does not return table (merchant_id text, customer_id text, reason jsonb)'
        end as fault
    ) as faults
    where names.function_name is not null and faults.fault is not null
    limit 1;
  end if;

  if v_fault is null and (v_is_new or new.thresholds is distinct from old.thresholds) then
    select format('threshold "%s" %s', thresholds.key, faults.fault) into v_fault
    from jsonb_each(new.thresholds) as thresholds
    cross join lateral (
      select
        case
          when jsonb_typeof(thresholds.value) <> 'number' then 'is not a number'
          when thresholds.key !~ '._(from|above|below|up_to)$' then 'does not end in _from, _above, _below or _up_to'
        end as fault
    ) as faults
    where faults.fault is not null
    order by thresholds.key
    limit 1;
  end if;

  if v_fault is null and (v_is_new or new.remembers is distinct from old.remembers) then
    select format('table bankpulse.%I, or its view bankpulse.derived_%s, does not exist', remembered.name, remembered.name)
    into v_fault
    from unnest(new.remembers) as remembered (name)
    where
      to_regclass(format('bankpulse.%I', remembered.name)) is null
      or to_regclass(format('bankpulse.%I', 'derived_' || remembered.name)) is null
    limit 1;
  end if;

  if v_fault is not null then
    raise exception 'pattern %: %', new.pattern_id, v_fault using errcode = 'BP006';
  end if;
  if new.is_enabled then
    -- no row is asked for: planning alone reads the thresholds, and raises BP004 if one is missing
    begin
      execute match_query(new.match_function) || ' limit 0' using new.thresholds;
    exception
      when sqlstate 'BP004' then
        raise exception 'pattern %: function bankpulse.%: %; the row has: %',
          new.pattern_id, new.match_function, sqlerrm,
          (select coalesce(string_agg(name, ', ' order by name), 'none') from jsonb_object_keys(new.thresholds) as names (name))
        using errcode = 'BP004';
    end;
  end if;
  return new;
end;
$$;

comment on function bankpulse.check_pattern() is 'Trigger: refuses a row of patterns that mechanism Y could not work with.';

create or replace trigger check_pattern before insert or update on bankpulse.patterns
for each row execute function bankpulse.check_pattern();
