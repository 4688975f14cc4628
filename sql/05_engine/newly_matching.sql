-- What a pattern's function finds after a chunk: all that a chunk can have made true, and perhaps more that is true.
--   after a change of rules                  everything that satisfies the pattern now
--   a pattern with a detect function         what that finds
--   a pattern without one                    what satisfies it at the merchants that the chunk touched
-- In: the row of the pattern; whether the rules changed. Reads: staging, state, and what the functions read. Writes:
-- what the detect function remembers. Out: the matches. Raises BP005 (pattern_failed).
create or replace function bankpulse.newly_matching(p_pattern bankpulse.patterns, p_rules_changed boolean)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
-- a low estimate, so that the planner of the calling statement chooses index lookups into detections
rows 100
as $$
declare
  v_merchant_ids text[];
begin
  if p_rules_changed then
    return query select * from matches_of(p_pattern, p_pattern.thresholds);
  elsif p_pattern.detect_function is null then
    -- by itself: with a distributed table in it, Citus would run the query below on a worker
    v_merchant_ids := array(select touched.merchant_id from touched_merchants as touched);
    return query select * from matches_of(p_pattern, p_pattern.thresholds, v_merchant_ids);
  elsif staging_lane() is not null then
    -- A block that catches errors would cost each worker a savepoint and its release; mechanism Y sees by the context of
    -- an error that it is a pattern's.
    return query execute format('select merchant_id, customer_id, reason from %I($1)', p_pattern.detect_function)
    using p_pattern.thresholds;
  else
    begin
      return query execute format('select merchant_id, customer_id, reason from %I($1)', p_pattern.detect_function)
      using p_pattern.thresholds;
    exception
      when others then
        perform raise_pattern_failure(p_pattern.pattern_id, sqlstate, sqlerrm);
    end;
  end if;
end;
$$;

comment on function bankpulse.newly_matching(bankpulse.patterns, boolean) is
  'What a pattern''s function finds after a chunk, or all that satisfies it when the rules have changed.';
