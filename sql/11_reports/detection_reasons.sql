-- Each detection with its reason as a sentence, and the thresholds that it was judged by. The sentence is the pattern's
-- reason_template filled with the numbers stored with the detection, so later changes of thresholds do not affect it.
-- Without a template, or a row of the pattern, the numbers are listed.
create or replace view bankpulse.detection_reasons as
select
  detections.detection_id,
  detections.pattern_id,
  detections.action_type,
  detections.merchant_id,
  detections.customer_id,
  detections.chunk_no,
  detections.detected_at,
  detections.batch_no,
  bankpulse.reason_text(
    patterns.reason_template, detections.merchant_id, detections.customer_id, detections.reason
  ) as reason_text,
  rules_history.patterns -> detections.pattern_id -> 'thresholds' as thresholds
from bankpulse.detections
left join bankpulse.patterns on patterns.pattern_id = detections.pattern_id
left join bankpulse.chunks on chunks.chunk_no = detections.chunk_no
left join bankpulse.rules_history on rules_history.rules_hash = chunks.rules_hash;

comment on view bankpulse.detection_reasons is 'Each detection with its reason as a sentence, and the thresholds it was judged by.';
comment on column bankpulse.detection_reasons.detection_id is 'Order of detection; the greatest is the newest.';
comment on column bankpulse.detection_reasons.pattern_id is 'The pattern.';
comment on column bankpulse.detection_reasons.action_type is 'The action that the merchant is to take.';
comment on column bankpulse.detection_reasons.merchant_id is 'The merchant.';
comment on column bankpulse.detection_reasons.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.detection_reasons.chunk_no is 'The chunk after which it first held.';
comment on column bankpulse.detection_reasons.detected_at is 'When that chunk was applied.';
comment on column bankpulse.detection_reasons.batch_no is 'The detection file it is in; null until that is closed.';
comment on column bankpulse.detection_reasons.reason_text is 'The reason, in a sentence, with the numbers at the time of detection.';
comment on column bankpulse.detection_reasons.thresholds is 'The thresholds of the pattern at that time; null if they are not known any more.';
