-- A small data set that shows every pattern once. The tests' template database holds it, and `npm run seed` loads it.
-- It goes through the same functions as real chunks do: staged, then processed, each in a transaction of its own.
-- Its objects have no number, so real chunks may follow it.

select bankpulse.try_take_over(bankpulse.register_run());

-- The importance file: 20 customers of the bazaar, the first ones heavy, the last ones light.
begin;
select bankpulse.open_staging();
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
select 'customer-' || to_char(place, 'FM00'), bankpulse.placed_gender(place, ''), 'bazaar', 100 - place
from generate_series(1, 20) as places (place);
select bankpulse.load_importance(
  p_run_id => (select run_id from bankpulse.pipeline_lease),
  p_file_name => 'seed-importance.csv',
  p_fingerprint => 'seed'
);
commit;

-- First chunk. Each customer of the bazaar comes more often than the one before; 45,150 transactions in all.
-- At the corner shop one customer has come 79 times and spent 12.50 each time.
begin;
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
select 'customer-' || to_char(place, 'FM00'), bankpulse.placed_gender(place, case when place % 2 = 0 then 'F' else 'M' end), 'bazaar', 40
from generate_series(1, 20) as places (place)
cross join lateral generate_series(1, 215 * place);
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
select 'customer-01', bankpulse.placed_gender(1, 'M'), 'corner-shop', 12.50
from generate_series(1, 79);
select bankpulse.process_chunk(
  p_run_id => (select run_id from bankpulse.pipeline_lease),
  p_object_key => 'seed/first.csv',
  p_etag => 'seed',
  p_size_bytes => 0,
  p_copy_ms => 0,
  p_batch_rows => 50,
  p_detections_prefix => 'seed/detections/'
);
commit;

-- Second chunk. The bazaar passes 50,000 transactions: customer-20, the most frequent and the lightest but one other,
-- fires PatId1, and so does customer-19. The corner shop's customer comes once more: PatId2. The barber gets 101 women
-- and 150 men for customers: PatId3.
begin;
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
select 'customer-' || to_char(place, 'FM00'), bankpulse.placed_gender(place, case when place % 2 = 0 then 'F' else 'M' end), 'bazaar', 40
from generate_series(1, 20) as places (place)
cross join lateral generate_series(1, 25 * place);
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
values ('customer-01', bankpulse.placed_gender(1, 'M'), 'corner-shop', 12.50);
insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
select 'client-' || to_char(place, 'FM000'), bankpulse.placed_gender(place, case when place <= 101 then 'F' else 'M' end), 'barber', 18
from generate_series(1, 251) as places (place);
select bankpulse.process_chunk(
  p_run_id => (select run_id from bankpulse.pipeline_lease),
  p_object_key => 'seed/second.csv',
  p_etag => 'seed',
  p_size_bytes => 0,
  p_copy_ms => 0,
  p_batch_rows => 50,
  p_detections_prefix => 'seed/detections/'
);
commit;

select bankpulse.end_run((select run_id from bankpulse.pipeline_lease));
select bankpulse.refresh_views();
