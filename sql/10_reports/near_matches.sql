-- Pairs and merchants that are near to a detection: the pattern does not hold now and was not detected, but it would
-- hold if each of its thresholds were 10 % easier to reach. By default that is
--   PatId1  merchant_transactions > 45,000 (instead of 50,000), count_percent_rank >= 0.81 (0.9),
--           weight_percent_rank <= 0.11 (0.1)
--   PatId2  transactions >= 72 (80), average < 25.3 (23)
--   PatId3  women > 90 (100), women < 1.1 * men (men)
-- The view compares exactly, with whole numbers and decimals, as pattern_matches does. It ranks only at merchants
-- with enough transactions, by count in the histogram.
create or replace view bankpulse.near_matches as
with upgrade_thresholds as materialized (
  select
    pattern_id,
    action_type,
    bankpulse.threshold(thresholds, 'merchant_transactions_above') as merchant_transactions_above,
    bankpulse.threshold(thresholds, 'count_percent_rank_from') as count_percent_rank_from,
    bankpulse.threshold(thresholds, 'weight_percent_rank_up_to') as weight_percent_rank_up_to
  from bankpulse.patterns
  where pattern_id = 'PatId1' and is_enabled
),
child_thresholds as materialized (
  select
    pattern_id,
    action_type,
    bankpulse.threshold(thresholds, 'transactions_from') as transactions_from,
    bankpulse.threshold(thresholds, 'average_amount_below') as average_amount_below
  from bankpulse.patterns
  where pattern_id = 'PatId2' and is_enabled
),
dei_needed_thresholds as materialized (
  select
    pattern_id,
    action_type,
    bankpulse.threshold(thresholds, 'female_customers_above') as female_customers_above
  from bankpulse.patterns
  where pattern_id = 'PatId3' and is_enabled
),
busy_merchants as (
  select stats.merchant_id, stats.transaction_count, stats.customer_count, greatest(stats.customer_count - 1, 1) as others
  from bankpulse.merchant_stats as stats
  cross join upgrade_thresholds
  where stats.transaction_count > 0.9 * upgrade_thresholds.merchant_transactions_above
),
ranked_counts as (
  select
    histogram.merchant_id,
    histogram.transaction_count,
    sum(histogram.customer_count) over (partition by histogram.merchant_id order by histogram.transaction_count)
    - histogram.customer_count as smaller_counts
  from busy_merchants
  inner join bankpulse.merchant_count_histogram as histogram on histogram.merchant_id = busy_merchants.merchant_id
  where histogram.customer_count > 0
),
-- joined first and ranked afterwards, so that only the weights of busy merchants are ranked
ranked_weights as (
  select
    weights.merchant_id,
    weights.customer_id,
    weights.average_weight,
    rank() over (partition by weights.merchant_id order by weights.average_weight) - 1 as smaller_weights,
    count(*) over (partition by weights.merchant_id) as weight_count
  from busy_merchants
  inner join bankpulse.customer_weights as weights on weights.merchant_id = busy_merchants.merchant_id
),
near_upgrades as (
  select
    thresholds.*,
    busy_merchants.merchant_id,
    stats.customer_id,
    busy_merchants.transaction_count as merchant_transactions,
    stats.transaction_count,
    tops.top_count,
    ranked_weights.average_weight,
    bankpulse.share_below(ranked_counts.smaller_counts::bigint, busy_merchants.customer_count) as count_percent_rank,
    bankpulse.share_below(ranked_weights.smaller_weights, ranked_weights.weight_count) as weight_percent_rank,
    busy_merchants.transaction_count > thresholds.merchant_transactions_above as is_busy_enough,
    ranked_counts.smaller_counts >= thresholds.count_percent_rank_from * busy_merchants.others as is_frequent_enough,
    ranked_weights.smaller_weights
    <= thresholds.weight_percent_rank_up_to * greatest(ranked_weights.weight_count - 1, 1) as is_light_enough
  from busy_merchants
  cross join upgrade_thresholds as thresholds
  inner join bankpulse.customer_merchant_stats as stats on stats.merchant_id = busy_merchants.merchant_id
  inner join ranked_counts
    on
      ranked_counts.merchant_id = stats.merchant_id
      and ranked_counts.transaction_count = stats.transaction_count
  inner join ranked_weights
    on ranked_weights.merchant_id = stats.merchant_id and ranked_weights.customer_id = stats.customer_id
  left join bankpulse.merchant_tops as tops on tops.merchant_id = busy_merchants.merchant_id
  where
    ranked_counts.smaller_counts >= 0.9 * thresholds.count_percent_rank_from * busy_merchants.others
    and ranked_weights.smaller_weights
    <= 1.1 * thresholds.weight_percent_rank_up_to * greatest(ranked_weights.weight_count - 1, 1)
),
near_children as (
  select
    thresholds.*,
    stats.merchant_id,
    stats.customer_id,
    stats.transaction_count,
    stats.total_amount,
    stats.transaction_count >= thresholds.transactions_from as is_frequent_enough,
    stats.total_amount < thresholds.average_amount_below * stats.transaction_count as is_cheap_enough
  from child_thresholds as thresholds
  cross join bankpulse.customer_merchant_stats as stats
  where
    stats.transaction_count >= 0.9 * thresholds.transactions_from
    and stats.total_amount
    < (thresholds.average_amount_below + 0.1 * abs(thresholds.average_amount_below)) * stats.transaction_count
),
near_dei_needed as (
  select
    thresholds.*,
    stats.merchant_id,
    stats.female_count,
    stats.male_count,
    stats.female_count > thresholds.female_customers_above as has_enough_women,
    stats.female_count < stats.male_count as has_more_men
  from dei_needed_thresholds as thresholds
  cross join bankpulse.merchant_stats as stats
  where
    stats.female_count > 0.9 * thresholds.female_customers_above
    and stats.female_count < 1.1 * stats.male_count
),
near_patterns as (
  select
    pattern_id,
    action_type,
    merchant_id,
    customer_id,
    jsonb_build_object(
      'merchant_transactions', merchant_transactions,
      'transactions', transaction_count,
      'count_percent_rank', count_percent_rank,
      'average_weight', average_weight,
      'weight_percent_rank', weight_percent_rank
    ) as standing,
    concat_ws(
      '; ',
      case
        when not is_busy_enough then format(
          'transactions at the merchant: %s, more than %s needed',
          bankpulse.readable_number(merchant_transactions),
          bankpulse.readable_number(merchant_transactions_above)
        )
      end,
      case
        when not is_frequent_enough then format(
          'transactions: %s, more than %s %% of the other customers; the top %s %% %s',
          bankpulse.readable_number(transaction_count),
          bankpulse.readable_number(100 * count_percent_rank, 1),
          trim_scale(100 * (1 - count_percent_rank_from)),
          coalesce('begins at ' || bankpulse.readable_number(top_count), 'is empty, too many tie')
        )
      end,
      case
        when not is_light_enough then format(
          'weight: %s, above %s %% of the listed customers'', at most %s %% needed (only a new importance file changes it)',
          bankpulse.readable_number(average_weight, 2),
          bankpulse.readable_number(100 * weight_percent_rank, 1),
          trim_scale(100 * weight_percent_rank_up_to)
        )
      end
    ) as missing_text
  from near_upgrades
  where not (is_busy_enough and is_frequent_enough and is_light_enough)

  union all

  select
    pattern_id,
    action_type,
    merchant_id,
    customer_id,
    jsonb_build_object(
      'transactions', transaction_count,
      'total_amount', total_amount,
      'average_amount', round(total_amount / transaction_count, 4)
    ),
    concat_ws(
      '; ',
      case
        when not is_frequent_enough then format(
          'transactions: %s, at least %s needed',
          bankpulse.readable_number(transaction_count),
          bankpulse.readable_number(ceil(transactions_from))
        )
      end,
      case
        when not is_cheap_enough then format(
          'average amount: %s, less than %s needed',
          bankpulse.readable_number(total_amount / transaction_count, 2),
          trim_scale(average_amount_below)
        )
      end
    )
  from near_children
  where not (is_frequent_enough and is_cheap_enough)

  union all

  select
    pattern_id,
    action_type,
    merchant_id,
    '',
    jsonb_build_object('female_customers', female_count, 'male_customers', male_count),
    concat_ws(
      '; ',
      case
        when not has_enough_women then format(
          'women: %s, more than %s needed',
          bankpulse.readable_number(female_count),
          bankpulse.readable_number(female_customers_above)
        )
      end,
      case
        when not has_more_men then format(
          'women: %s, men: %s, more men than women needed',
          bankpulse.readable_number(female_count),
          bankpulse.readable_number(male_count)
        )
      end
    )
  from near_dei_needed
  where not (has_enough_women and has_more_men)
)
select pattern_id, action_type, merchant_id, customer_id, missing_text, standing
from near_patterns
where
  not exists (
    select from bankpulse.detections
    where
      detections.merchant_id = near_patterns.merchant_id
      and detections.pattern_id = near_patterns.pattern_id
      and detections.customer_id = near_patterns.customer_id
  );

comment on view bankpulse.near_matches is
  'Near to a detection: not detected, and every threshold of the pattern is met or missed by at most 10 %.';
comment on column bankpulse.near_matches.pattern_id is 'The pattern.';
comment on column bankpulse.near_matches.action_type is 'The action that the merchant would have to take.';
comment on column bankpulse.near_matches.merchant_id is 'The merchant.';
comment on column bankpulse.near_matches.customer_id is 'The customer; empty for a pattern about the merchant alone.';
comment on column bankpulse.near_matches.missing_text is 'The conditions that are missing, in words.';
comment on column bankpulse.near_matches.standing is 'The present numbers, named as in detections.reason.';
