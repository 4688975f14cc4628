-- The reason of each detection as a sentence (reason_text) and in a few words (reason_summary), from the numbers
-- stored with the detection; later changes of thresholds do not affect it. If the view does not know the pattern, or
-- a number that the sentence needs is missing, both columns show reason as it is stored.
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
    when not is_known then reason::text
    when pattern_id = 'PatId1' then format(
      'Customer %s has made %s of the %s transactions at %s, more than %s, but has a low weight there, %s: %s.',
      customer_id,
      bankpulse.readable_number(transactions),
      bankpulse.readable_number(merchant_transactions),
      merchant_id,
      case count_percent_rank
        when 1 then 'any other customer'
        else bankpulse.readable_number(100 * count_percent_rank, 1) || ' % of the other customers'
      end,
      bankpulse.readable_number(average_weight, 2),
      case weight_percent_rank
        when 0 then 'nobody has a lower one'
        else 'only ' || bankpulse.readable_number(100 * weight_percent_rank, 1) || ' % have a lower one'
      end
    )
    when pattern_id = 'PatId2' then format(
      'Customer %s has paid %s often, but little: %s times, %s on average, %s in all.',
      customer_id,
      merchant_id,
      bankpulse.readable_number(transactions),
      -- not rounded up to what it must stay below
      bankpulse.readable_number(trunc(average_amount, 2), 2),
      bankpulse.readable_number(total_amount, 2)
    )
    when pattern_id = 'PatId3' then format(
      '%s has many women among its customers, but fewer than men: %s women, %s men.',
      merchant_id,
      bankpulse.readable_number(female_customers),
      bankpulse.readable_number(male_customers)
    )
  end as reason_text,
  case
    when not is_known then reason::text
    when pattern_id = 'PatId1' then format(
      '%s transactions (top %s %%), weight %s (lowest %s %%)',
      bankpulse.readable_number(transactions),
      bankpulse.readable_number(100 * (1 - count_percent_rank), 1),
      bankpulse.readable_number(average_weight, 2),
      bankpulse.readable_number(100 * weight_percent_rank, 1)
    )
    when pattern_id = 'PatId2' then format(
      '%s transactions, %s on average',
      bankpulse.readable_number(transactions),
      bankpulse.readable_number(trunc(average_amount, 2), 2)
    )
    when pattern_id = 'PatId3' then format(
      '%s women, %s men',
      bankpulse.readable_number(female_customers),
      bankpulse.readable_number(male_customers)
    )
  end as reason_summary
from bankpulse.detections
-- lateral and not a common table expression, so that a query for the newest detections finds them by index
cross join lateral (
  select
    coalesce(
      jsonb_typeof(reason) = 'object'
      and not jsonb_path_exists(reason, '$.* ? (@.type() != "number")')
      and reason ?& case pattern_id
        when 'PatId1' then array[
          'merchant_transactions', 'transactions', 'count_percent_rank', 'average_weight', 'weight_percent_rank'
        ]
        when 'PatId2' then array['transactions', 'total_amount', 'average_amount']
        when 'PatId3' then array['female_customers', 'male_customers']
      end,
      false
    )
) as checks (is_known)
cross join lateral jsonb_to_record(case when is_known then reason else '{}' end) as numbers (
  merchant_transactions numeric,
  transactions numeric,
  count_percent_rank numeric,
  average_weight numeric,
  weight_percent_rank numeric,
  total_amount numeric,
  average_amount numeric,
  female_customers numeric,
  male_customers numeric
);

comment on view bankpulse.detection_reasons is 'Each detection with its reason, in a sentence and in a few words.';
comment on column bankpulse.detection_reasons.detection_id is 'Order of detection; the greatest is the newest.';
comment on column bankpulse.detection_reasons.pattern_id is 'The pattern.';
comment on column bankpulse.detection_reasons.action_type is 'The action that the merchant is to take.';
comment on column bankpulse.detection_reasons.merchant_id is 'The merchant.';
comment on column bankpulse.detection_reasons.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.detection_reasons.chunk_no is 'The chunk after which it first held.';
comment on column bankpulse.detection_reasons.detected_at is 'When that chunk was applied.';
comment on column bankpulse.detection_reasons.batch_no is 'The detection file it is in; null until that is closed.';
comment on column bankpulse.detection_reasons.reason_text is 'The reason, in a sentence, with the numbers at the time of detection.';
comment on column bankpulse.detection_reasons.reason_summary is 'The same in a few words, without the names.';
