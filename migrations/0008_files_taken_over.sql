-- A database that was restored to an earlier point finds detection files of its own that it does not know. It takes them
-- over: their rows wait here until the same detections are found again.

-- Up Migration

create table bankpulse.taken_over_rows (
  batch_no bigint not null references bankpulse.detection_batches,
  row_number bigint not null,
  pattern_id text collate "C" not null,
  merchant_name text collate "C" not null,
  customer_name text collate "C" not null,
  run_started_at text not null,
  detected_at text not null,
  detection_id bigint,
  primary key (batch_no, row_number),
  constraint a_detection_stands_in_one_row unique (detection_id)
);
comment on table bankpulse.taken_over_rows is
  'The rows of detection files that this database had written before it was restored to an earlier point.';
comment on column bankpulse.taken_over_rows.batch_no is 'The file.';
comment on column bankpulse.taken_over_rows.row_number is 'The place of the row in the file, from 1; the header is 0.';
comment on column bankpulse.taken_over_rows.pattern_id is 'As written: patternId.';
comment on column bankpulse.taken_over_rows.merchant_name is 'As written, formulas escaped: MerchantId.';
comment on column bankpulse.taken_over_rows.customer_name is 'As written, formulas escaped: customerName.';
comment on column bankpulse.taken_over_rows.run_started_at is 'As written: YStartTime.';
comment on column bankpulse.taken_over_rows.detected_at is 'As written: detectionTime.';
comment on column bankpulse.taken_over_rows.detection_id is 'The detection, once it is found again; null before.';
create index taken_over_rows_waiting on bankpulse.taken_over_rows (merchant_name, pattern_id, customer_name)
where detection_id is null;
comment on index bankpulse.taken_over_rows_waiting is 'For place_detections; empty once all are found again.';

-- Down Migration

drop table bankpulse.taken_over_rows;
