-- All that satisfies a pattern now, by its match function.
-- In: the row of the pattern; the thresholds to judge by; the merchants to look at, null for all. Reads: what the match
-- function reads. Out: the matches. Raises BP005 (pattern_failed) as pattern_failure says.
--
-- A few merchants are asked for one by one: PostgreSQL applies an equation to every table that is joined on
-- merchant_id, a list only to the first. execute plans the statement anew each time: for the present size of the state,
-- with the thresholds as constants.
create or replace function bankpulse.matches_of(
  p_pattern bankpulse.patterns,
  p_thresholds jsonb,
  p_merchant_ids text[] default null
) returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql stable
rows 100
set search_path = bankpulse, pg_temp
as $$
declare
  v_query constant text := match_query(p_pattern.match_function);
  v_merchant_id text;
begin
  if p_merchant_ids is null then
    return query execute v_query using p_thresholds;
  elsif cardinality(p_merchant_ids) <= 8 then
    foreach v_merchant_id in array p_merchant_ids loop
      return query execute v_query || ' where merchant_id collate "C" = $2' using p_thresholds, v_merchant_id;
    end loop;
  else
    return query execute v_query || ' where merchant_id collate "C" = any ($2)' using p_thresholds, p_merchant_ids;
  end if;
exception
  when others then
    perform raise_pattern_failure(p_pattern.pattern_id, sqlstate, sqlerrm);
end;
$$;

comment on function bankpulse.matches_of(bankpulse.patterns, jsonb, text[]) is
  'All that satisfies a pattern now, with these thresholds, at these merchants or at all.';
