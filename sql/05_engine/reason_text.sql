-- The reason of a match as a sentence.
-- In: the pattern's reason_template, or null: the numbers are listed; merchant, customer and reason. Out: the sentence,
-- with the names as they are. Reads no table.
create or replace function bankpulse.reason_text(
  p_reason_template text,
  p_merchant_id text,
  p_customer_id text,
  p_reason jsonb
) returns text
language sql stable parallel safe
return case
  when p_reason_template is not null then bankpulse.sentence(
    p_reason_template, p_reason || jsonb_build_object('merchant', p_merchant_id, 'customer', p_customer_id)
  )
  else (
    select
      coalesce(string_agg(format('%s %s', replace(key, '_', ' '), bankpulse.readable_value(value)), ', ' order by key), '')
    from jsonb_each(case jsonb_typeof(p_reason) when 'object' then p_reason else '{}' end)
  )
end;

comment on function bankpulse.reason_text(text, text, text, jsonb) is 'The reason of a match as a sentence.';
