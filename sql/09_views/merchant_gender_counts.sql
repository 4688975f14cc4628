-- Women and men among a merchant's customers, each customer counted once. For people and checks; the pipeline does
-- not read it. refresh_views() renews it.
drop materialized view if exists bankpulse.merchant_gender_counts;
create materialized view bankpulse.merchant_gender_counts as
select
  merchant_id,
  count(*) filter (where gender = 'F') as female_count,
  count(*) filter (where gender = 'M') as male_count
from bankpulse.customer_merchant_stats
group by merchant_id;

create unique index merchant_gender_counts_merchant on bankpulse.merchant_gender_counts (merchant_id);
comment on index bankpulse.merchant_gender_counts_merchant is 'Finds a merchant.';
comment on materialized view bankpulse.merchant_gender_counts is
  'Women and men among a merchant''s customers, as of the last refresh_views().';
comment on column bankpulse.merchant_gender_counts.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_gender_counts.female_count is 'Distinct customers whose gender there is F.';
comment on column bankpulse.merchant_gender_counts.male_count is 'Distinct customers whose gender there is M.';
