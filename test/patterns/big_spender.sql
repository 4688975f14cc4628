-- PatId4, THANK: a customer who has paid a merchant at least 500 in all. A pattern without a detect function.
create or replace function bankpulse.match_big_spender(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language sql stable
begin atomic
  select stats.merchant_id, stats.customer_id, jsonb_build_object('total_amount', stats.total_amount)
  from bankpulse.customer_merchant_stats as stats
  where stats.total_amount >= bankpulse.threshold(p_thresholds, 'total_amount_from');
end;

comment on function bankpulse.match_big_spender(jsonb) is 'PatId4, THANK: customers who have paid a merchant at least 500.';

insert into bankpulse.patterns (pattern_id, action_type, description, match_function, reason_template, thresholds)
values (
  'PatId4', 'THANK', 'A customer who has paid a merchant much.', 'match_big_spender',
  'Customer {customer} has paid {merchant} {total_amount} in all.',
  '{"total_amount_from": 500}'
);
