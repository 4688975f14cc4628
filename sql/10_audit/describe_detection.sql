-- A detection in words, for the audit's lines.
-- In: pattern, merchant, customer ('' for a pattern about the merchant alone). Out: text with the names as given; the
-- caller makes them printable. Reads no table.
create or replace function bankpulse.describe_detection(p_pattern_id text, p_merchant_id text, p_customer_id text)
returns text
language sql immutable parallel safe
return p_pattern_id || ', merchant ' || p_merchant_id
  || case when p_customer_id = '' then '' else ', customer ' || p_customer_id end;

comment on function bankpulse.describe_detection(text, text, text) is 'A detection in words.';
