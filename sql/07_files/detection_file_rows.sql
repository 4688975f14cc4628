-- The rows of the detection files, exactly as they are written. To change a detection file, change this view: the
-- header is the names of its columns, in their order, and all of them are text. batch_no and detection_id give the
-- file and the order of its rows; they are not written. Two functions read columns by name, and change where one is
-- renamed: take_over_file all but ActionType, describe_file_row patternId, MerchantId and customerName.
-- Files that are written stay as they are, and verify, which compares them with this view, reports that they differ. A
-- detection that stands in a taken-over file keeps the times that are written there.
drop view if exists bankpulse.detection_file_rows;
create view bankpulse.detection_file_rows as
select
  detections.batch_no,
  detections.detection_id,
  coalesce(taken_over_rows.run_started_at, bankpulse.format_time(runs.started_at)) as "YStartTime",
  coalesce(taken_over_rows.detected_at, bankpulse.format_time(detections.detected_at)) as "detectionTime",
  detections.pattern_id as "patternId",
  detections.action_type as "ActionType",
  bankpulse.escape_formula(detections.customer_id) as "customerName",
  bankpulse.escape_formula(detections.merchant_id) as "MerchantId"
from bankpulse.detections
inner join bankpulse.runs on runs.run_id = detections.run_id
left join bankpulse.taken_over_rows on taken_over_rows.detection_id = detections.detection_id
where detections.batch_no is not null;

comment on view bankpulse.detection_file_rows is 'The rows of the detection files as they are written.';
comment on column bankpulse.detection_file_rows.batch_no is 'The file; not written.';
comment on column bankpulse.detection_file_rows.detection_id is 'Order of the rows in the file; not written.';
comment on column bankpulse.detection_file_rows."YStartTime" is 'When the Y process that found it started; Indian Standard Time.';
comment on column bankpulse.detection_file_rows."detectionTime" is 'When its chunk was applied; Indian Standard Time.';
comment on column bankpulse.detection_file_rows."patternId" is 'The pattern.';
comment on column bankpulse.detection_file_rows."ActionType" is 'The action that the merchant is to take.';
comment on column bankpulse.detection_file_rows."customerName" is 'The customer; empty if the pattern is about the merchant alone.';
comment on column bankpulse.detection_file_rows."MerchantId" is 'The merchant.';
