-- What is missing to meet a threshold, such as "average amount: 24.60, less than 23 needed".
-- In: a row of each_threshold, in parts; the reason, whose value it limits. Out: text. Reads no table.
create or replace function bankpulse.describe_lack(
  p_reason_key text,
  p_comparison text,
  p_threshold numeric,
  p_reason jsonb
) returns text
language sql stable parallel safe
return format(
  '%s: %s, %s %s needed',
  replace(p_reason_key, '_', ' '),
  coalesce(bankpulse.text_of_measure(p_reason_key, p_reason -> p_reason_key), 'unknown'),
  case p_comparison when 'from' then 'at least' when 'above' then 'more than' when 'below' then 'less than' else 'at most' end,
  bankpulse.text_of_measure(p_reason_key, to_jsonb(p_threshold))
);

comment on function bankpulse.describe_lack(text, text, numeric, jsonb) is 'What is missing to meet a threshold, in words.';
