-- The thresholds of a pattern, one a row. A threshold is named after the key of reason that it limits, and how:
-- average_amount_below limits average_amount.
-- In: the thresholds. Out: name; reason_key, what it limits; comparison (from, above, below, up_to; null if the name
-- has no such ending); value; place, their order as jsonb keeps it. Reads no table.
create or replace function bankpulse.each_threshold(p_thresholds jsonb)
returns table (name text, reason_key text, comparison text, value numeric, place bigint)
language sql immutable parallel safe
begin atomic
  select thresholds.key, parts[1], parts[2], thresholds.value::numeric, thresholds.place
  from jsonb_each_text(p_thresholds) with ordinality as thresholds (key, value, place)
  left join lateral regexp_match(thresholds.key, '^(.+)_(from|above|below|up_to)$') as parts on true;
end;

comment on function bankpulse.each_threshold(jsonb) is 'The thresholds one a row: what each limits, how, and its number.';
