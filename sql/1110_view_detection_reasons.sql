-- Who was detected and why, in a sentence, and in a few words, made of the numbers that were stored when it fired. What the pattern's
-- thresholds are by now does not matter here. A pattern that this view does not know, or numbers it does not expect,
-- are shown as they are stored.
create or replace view bankpulse.detection_reasons as
select
  detection_id,
  pattern_id,
  action_type,
  merchant_id,
  customer_id,
  chunk_no,
  detected_at,
  batch_no,
  case
    when jsonb_path_exists(reason, '$.* ? (@.type() != "number")') then reason::text
    when
      pattern_id = 'PatId1'
      and reason ?& array[
        'merchant_transactions', 'transactions', 'count_percent_rank', 'average_weight', 'weight_percent_rank'
      ]
      then format(
        'Customer %s has made %s of the %s transactions at %s, more than %s, but has a low weight there, %s: %s.',
        customer_id,
        bankpulse.readable_number((reason ->> 'transactions')::numeric),
        bankpulse.readable_number((reason ->> 'merchant_transactions')::numeric),
        merchant_id,
        case (reason ->> 'count_percent_rank')::numeric
          when 1 then 'any other customer'
          else bankpulse.readable_number(100 * (reason ->> 'count_percent_rank')::numeric, 1)
            || ' % of the other customers'
        end,
        bankpulse.readable_number((reason ->> 'average_weight')::numeric, 2),
        case (reason ->> 'weight_percent_rank')::numeric
          when 0 then 'nobody has a lower one'
          else 'only ' || bankpulse.readable_number(100 * (reason ->> 'weight_percent_rank')::numeric, 1)
            || ' % have a lower one'
        end
      )
    when pattern_id = 'PatId2' and reason ?& array['transactions', 'total_amount', 'average_amount']
      then format(
        'Customer %s has paid %s often, but little: %s times, %s on average, %s in all.',
        customer_id,
        merchant_id,
        bankpulse.readable_number((reason ->> 'transactions')::numeric),
        -- not rounded up to what it must stay below
        bankpulse.readable_number(trunc((reason ->> 'average_amount')::numeric, 2), 2),
        bankpulse.readable_number((reason ->> 'total_amount')::numeric, 2)
      )
    when pattern_id = 'PatId3' and reason ?& array['female_customers', 'male_customers']
      then format(
        '%s has many women among its customers, but fewer than men: %s women, %s men.',
        merchant_id,
        bankpulse.readable_number((reason ->> 'female_customers')::numeric),
        bankpulse.readable_number((reason ->> 'male_customers')::numeric)
      )
    else reason::text
  end as reason_text,
  case
    when jsonb_path_exists(reason, '$.* ? (@.type() != "number")') then reason::text
    when
      pattern_id = 'PatId1'
      and reason ?& array['transactions', 'count_percent_rank', 'average_weight', 'weight_percent_rank']
      then format(
        '%s transactions (top %s %%), weight %s (lowest %s %%)',
        bankpulse.readable_number((reason ->> 'transactions')::numeric),
        bankpulse.readable_number(100 * (1 - (reason ->> 'count_percent_rank')::numeric), 1),
        bankpulse.readable_number((reason ->> 'average_weight')::numeric, 2),
        bankpulse.readable_number(100 * (reason ->> 'weight_percent_rank')::numeric, 1)
      )
    when pattern_id = 'PatId2' and reason ?& array['transactions', 'average_amount']
      then format(
        '%s transactions, %s on average',
        bankpulse.readable_number((reason ->> 'transactions')::numeric),
        bankpulse.readable_number(trunc((reason ->> 'average_amount')::numeric, 2), 2)
      )
    when pattern_id = 'PatId3' and reason ?& array['female_customers', 'male_customers']
      then format(
        '%s women, %s men',
        bankpulse.readable_number((reason ->> 'female_customers')::numeric),
        bankpulse.readable_number((reason ->> 'male_customers')::numeric)
      )
    else reason::text
  end as reason_summary
from bankpulse.detections;

comment on view bankpulse.detection_reasons is 'Who was detected and why, in a sentence.';
comment on column bankpulse.detection_reasons.detection_id is 'Order of detection; the greatest is the newest.';
comment on column bankpulse.detection_reasons.pattern_id is 'The pattern.';
comment on column bankpulse.detection_reasons.action_type is 'What the merchant is told to do.';
comment on column bankpulse.detection_reasons.merchant_id is 'The merchant.';
comment on column bankpulse.detection_reasons.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.detection_reasons.chunk_no is 'The chunk after which it first held.';
comment on column bankpulse.detection_reasons.detected_at is 'When that chunk was applied.';
comment on column bankpulse.detection_reasons.batch_no is 'The detection file it is in; null until that is closed.';
comment on column bankpulse.detection_reasons.reason_text is 'Why it fired, by the numbers of that moment, in a sentence.';
comment on column bankpulse.detection_reasons.reason_summary is 'The same in a few words, without the names.';
