-- PatId1, UPGRADE: at a merchant with more than 50,000 transactions, a customer in the top 10 % of its customers by
-- transactions and, among all customers that the importance file lists for the merchant, in the bottom 10 % by weight.

-- This file is applied again when it has changed: its views are made anew, and what another version of detect_upgrade
-- remembered is forgotten. The lease is locked first, so that this waits for the chunk that is being applied.
drop view if exists bankpulse.derived_merchant_top_counts, bankpulse.derived_merchant_count_histogram,
bankpulse.derived_upgrade_candidates, bankpulse.dashboard_low_weights, bankpulse.merchant_tops,
bankpulse.merchant_count_ranks;
-- former versions had them
drop function if exists bankpulse.rebuild_upgrade_candidates(), bankpulse.top_count_of(text, numeric),
bankpulse.update_merchant_top_counts(text[], numeric);
select from bankpulse.pipeline_lease for update;
delete from bankpulse.merchant_count_histogram;
delete from bankpulse.upgrade_candidates;
delete from bankpulse.merchant_top_counts;

------------------------------------------------------------------------------------------------------------------------
-- Its meaning.
--
-- percent_rank >= r is written smaller >= r * (count - 1), which is exact in decimals; greatest(count - 1, 1) gives a
-- merchant's only customer the rank 0.
create or replace function bankpulse.match_upgrade(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language sql stable
begin atomic
  select
    counts.merchant_id,
    counts.customer_id,
    jsonb_build_object(
      'merchant_transactions', counts.merchant_transactions,
      'transactions', counts.transaction_count,
      'count_percent_rank', bankpulse.share_below(counts.smaller_counts, counts.customer_count),
      'average_weight', weights.average_weight,
      'weight_percent_rank', bankpulse.share_below(weights.smaller_weights, weights.weight_count)
    )
  from (
    select
      stats.*,
      rank() over (partition by merchant_id order by transaction_count) - 1 as smaller_counts,
      count(*) over (partition by merchant_id) as customer_count,
      sum(transaction_count) over (partition by merchant_id)::bigint as merchant_transactions
    from bankpulse.customer_merchant_stats as stats
  ) as counts
  inner join (
    select
      weights.*,
      rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
      count(*) over (partition by merchant_id) as weight_count
    from bankpulse.customer_weights as weights
  ) as weights on weights.merchant_id = counts.merchant_id and weights.customer_id = counts.customer_id
  where
    counts.merchant_transactions > bankpulse.threshold(p_thresholds, 'merchant_transactions_above')
    and counts.smaller_counts
    >= bankpulse.threshold(p_thresholds, 'count_percent_rank_from') * greatest(counts.customer_count - 1, 1)
    and weights.smaller_weights
    <= bankpulse.threshold(p_thresholds, 'weight_percent_rank_up_to') * greatest(weights.weight_count - 1, 1);
end;

comment on function bankpulse.match_upgrade(jsonb) is
  'PatId1, UPGRADE: customers in the top 10 % by transactions and the bottom 10 % by weight, at merchants with more than 50,000 transactions.';

------------------------------------------------------------------------------------------------------------------------
-- Its speed: what it remembers of the merchants with enough transactions. The derived_* views say what each table must
-- hold; detect_upgrade fills it from them at the first chunk after which a merchant has enough, and keeps it from then
-- on. merchant_top_counts has a row for each of these merchants.

create view bankpulse.derived_merchant_count_histogram as
select merchant_id, transaction_count, count(*) as customer_count
from bankpulse.customer_merchant_stats
where merchant_id in (select merchant_id from bankpulse.merchant_top_counts)
group by merchant_id, transaction_count;

comment on view bankpulse.derived_merchant_count_histogram is
  'The rows that merchant_count_histogram must hold; reads the state of the remembered merchants.';
comment on column bankpulse.derived_merchant_count_histogram.merchant_id is 'A merchant with a row in merchant_top_counts.';
comment on column bankpulse.derived_merchant_count_histogram.transaction_count is 'A number of transactions.';
comment on column bankpulse.derived_merchant_count_histogram.customer_count is 'Customers with exactly that many.';

-- The numbers of transactions that occur at a remembered merchant, each with its rank. Select a few merchants: the view
-- then reads the histogram of these only.
create view bankpulse.merchant_count_ranks with (security_invoker = true) as
select
  merchant_id,
  transaction_count,
  sum(customer_count) over (partition by merchant_id order by transaction_count) - customer_count as smaller_counts,
  sum(customer_count) over (partition by merchant_id) as customer_count
from bankpulse.merchant_count_histogram;

comment on view bankpulse.merchant_count_ranks is
  'The numbers of transactions that occur at a remembered merchant, each with its rank.';
comment on column bankpulse.merchant_count_ranks.merchant_id is 'A merchant with a row in merchant_top_counts.';
comment on column bankpulse.merchant_count_ranks.transaction_count is 'A number of transactions.';
comment on column bankpulse.merchant_count_ranks.smaller_counts is 'Customers with fewer transactions at the merchant.';
comment on column bankpulse.merchant_count_ranks.customer_count is 'All customers of the merchant.';

create view bankpulse.derived_merchant_top_counts as
select
  merchants.merchant_id,
  min(ranks.transaction_count) filter (
    where
      ranks.smaller_counts
      >= bankpulse.threshold(patterns.thresholds, 'count_percent_rank_from') * greatest(ranks.customer_count - 1, 1)
  ) as top_count,
  merchants.former_top_count
from bankpulse.merchant_top_counts as merchants
inner join bankpulse.patterns on patterns.pattern_id = 'PatId1'
left join bankpulse.merchant_count_ranks as ranks on ranks.merchant_id = merchants.merchant_id
group by merchants.merchant_id, merchants.former_top_count;

comment on view bankpulse.derived_merchant_top_counts is 'The rows that merchant_top_counts must hold for the merchants it has.';
comment on column bankpulse.derived_merchant_top_counts.merchant_id is 'A merchant with a row in merchant_top_counts.';
comment on column bankpulse.derived_merchant_top_counts.top_count is
  'The smallest number of transactions in the top share; null if the share is empty, because too many customers tie.';
comment on column bankpulse.derived_merchant_top_counts.former_top_count is 'As it is: it does not follow from the present state.';

-- The pairs with a low weight: in the bottom share (10 % by default) of the weights for the merchant. Select a few
-- merchants: the view then ranks the weights of these only. A threshold that is missing, as it may be while the pattern
-- is disabled, gives no rows and no error, here and in merchants_near_threshold: the dashboard shows the rest.
--
-- security_invoker, here and below: the caller needs the right to read each table, as if the query stood in the calling
-- function.
create or replace view bankpulse.low_weights with (security_invoker = true) as
-- materialized, so that the threshold is read once and not for each row
with upgrade as materialized (
  select (thresholds ->> 'weight_percent_rank_up_to')::numeric as weight_percent_rank_up_to
  from bankpulse.patterns
  where pattern_id = 'PatId1'
),
ranked_weights as (
  select
    merchant_id,
    customer_id,
    average_weight,
    rank() over (partition by merchant_id order by average_weight) - 1 as smaller_weights,
    count(*) over (partition by merchant_id) as weight_count
  from bankpulse.customer_weights
)
select ranked_weights.*
from ranked_weights
cross join upgrade
where smaller_weights <= weight_percent_rank_up_to * greatest(weight_count - 1, 1);

comment on view bankpulse.low_weights is 'The pairs whose weight is in the bottom share of the weights for the merchant.';
comment on column bankpulse.low_weights.merchant_id is 'The merchant.';
comment on column bankpulse.low_weights.customer_id is 'The customer.';
comment on column bankpulse.low_weights.average_weight is 'The customer''s weight for the merchant.';
comment on column bankpulse.low_weights.smaller_weights is 'Customers with a strictly smaller weight for the merchant.';
comment on column bankpulse.low_weights.weight_count is 'Customers that have a weight for the merchant.';

create view bankpulse.derived_upgrade_candidates with (security_invoker = true) as
select *
from bankpulse.low_weights
where
  merchant_id in (select merchant_id from bankpulse.merchant_top_counts)
  and not exists (
    select from bankpulse.detections
    where
      detections.merchant_id = low_weights.merchant_id
      and detections.pattern_id = 'PatId1'
      and detections.customer_id = low_weights.customer_id
  );

comment on view bankpulse.derived_upgrade_candidates is
  'The rows that upgrade_candidates must hold: the low weights at the remembered merchants, without the pairs detected.';
comment on column bankpulse.derived_upgrade_candidates.merchant_id is 'A merchant with a row in merchant_top_counts.';
comment on column bankpulse.derived_upgrade_candidates.customer_id is 'The customer.';
comment on column bankpulse.derived_upgrade_candidates.average_weight is 'The customer''s weight for the merchant.';
comment on column bankpulse.derived_upgrade_candidates.smaller_weights is 'Customers with a strictly smaller weight for the merchant.';
comment on column bankpulse.derived_upgrade_candidates.weight_count is 'Customers that have a weight for the merchant.';

-- Computes the top_count of merchants anew after a chunk, without reading all of their histogram: most of its numbers are large,
-- and few customers have them.
--
-- Of a merchant with N transactions, at most N / t customers have t or more. The top share begins where at most K customers
-- are left, K = count - r * (count - 1), see match_upgrade. So each number above N / K is in it, and the function reads
-- the histogram from below up to the first such number.
-- Its subqueries are nested, because Citus takes no correlated subquery that selects from one of a with clause.
-- In: merchants that are remembered; the percent rank where the top share begins. Reads: merchant_stats, merchant_count_histogram.
-- Writes: merchant_top_counts. Out: the merchants whose top_count has fallen, or which had none and have one now.
create or replace function bankpulse.update_merchant_top_counts(p_merchants text[], p_percent_rank_from numeric)
returns text[]
language plpgsql volatile
set search_path = bankpulse, pg_temp
-- for the present size of the histogram, of which the planner would otherwise read all
set plan_cache_mode = force_custom_plan
set random_page_cost = 1.1
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_fallen_merchants text[] := array[]::text[];
  v_noted record;
begin
  for v_noted in
    update merchant_top_counts as noted
    set top_count = ranked.top_count, former_top_count = noted.top_count
    from (
      select
        ranks.merchant_id,
        min(ranks.transaction_count) filter (
          where ranks.smaller_counts >= p_percent_rank_from * greatest(ranks.customer_count - 1, 1)
        ) as top_count
      from (
        select
          histogram.merchant_id,
          histogram.transaction_count,
          merchants.customer_count,
          sum(histogram.customer_count) over (partition by histogram.merchant_id order by histogram.transaction_count)
          - histogram.customer_count as smaller_counts
        from (
          select
            bounds.merchant_id,
            bounds.customer_count,
            bounds.bound,
            (
              select min(beyond.transaction_count)
              from merchant_count_histogram as beyond
              where beyond.merchant_id = bounds.merchant_id and beyond.transaction_count > bounds.bound
            ) as first_beyond
          from (
            select
              merchant_id,
              customer_count,
              floor(
                transaction_count / greatest(customer_count - p_percent_rank_from * greatest(customer_count - 1, 1), 1)
              )::bigint as bound
            from merchant_stats
            where merchant_id = any (p_merchants)
          ) as bounds
        ) as merchants
        inner join merchant_count_histogram as histogram on histogram.merchant_id = merchants.merchant_id
        where histogram.transaction_count <= coalesce(merchants.first_beyond, merchants.bound)
      ) as ranks
      group by ranks.merchant_id
    ) as ranked
    where noted.merchant_id = ranked.merchant_id
    returning noted.merchant_id, noted.top_count, noted.former_top_count
  loop
    if v_noted.top_count is not null and coalesce(v_noted.top_count < v_noted.former_top_count, true) then
      v_fallen_merchants := v_fallen_merchants || v_noted.merchant_id;
    end if;
  end loop;
  return v_fallen_merchants;
end;
$$;

comment on function bankpulse.update_merchant_top_counts(text[], numeric) is
  'Computes the top_count of touched merchants anew, from the lower part of their histogram; returns those where it fell.';

-- In: the pattern's thresholds. Reads: touched_pairs, touched_merchants; customer_merchant_stats, the derived_* views.
-- Writes: merchant_count_histogram, upgrade_candidates, merchant_top_counts. Out: the pairs that satisfy the pattern now
-- and were not found before.
--
-- A pair that is found is removed from the candidates. A merchant's top_count is as of the last chunk that touched it,
-- and every candidate was below it then. So there are two ways for a candidate to enter the top share:
--   risen      the chunk raised its number of transactions to the new top_count or above
--   uncovered  the top_count has fallen, which is rare; the function then looks up all candidates of the merchant
-- The function also looks up all of them if there was no top_count: the merchant has just passed the threshold, too
-- many of its customers tied, or the engine has emptied the tables, because rules changed or the state was rebuilt.
--
-- On a distributed database each worker does the work for its merchants: every statement joins by merchant_id.
create or replace function bankpulse.detect_upgrade(p_thresholds jsonb)
returns table (merchant_id text, customer_id text, reason jsonb)
language plpgsql volatile
-- the planner plans anew for the present size of the tables, and takes them to be in memory
set plan_cache_mode = force_custom_plan
set random_page_cost = 1.1
-- touched_pairs has no statistics: for a few rows the planner would sort, and there are thousands
set enable_sort = off
-- a few pairs have risen: to merge them with the candidates would read all of these
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  v_merchant_transactions_above constant numeric := threshold(p_thresholds, 'merchant_transactions_above');
  v_count_percent_rank_from constant numeric := threshold(p_thresholds, 'count_percent_rank_from');
  -- the touched merchants with enough transactions, and those of them that are not remembered yet
  v_merchants text[];
  v_new_merchants text[];
  -- those whose candidates may be uncovered; mostly none, and then the planner looks up the risen ones, not all candidates
  v_fallen_merchants text[];
  v_found record;
begin
  select
    coalesce(array_agg(merchants.merchant_id), '{}'),
    coalesce(array_agg(merchants.merchant_id) filter (where tops.merchant_id is null), '{}')
  into v_merchants, v_new_merchants
  from touched_merchants as merchants
  left join merchant_top_counts as tops on tops.merchant_id = merchants.merchant_id
  where merchants.transaction_count > v_merchant_transactions_above;
  if v_merchants = '{}' then
    return;
  end if;

  if v_new_merchants <> '{}' then
    insert into merchant_top_counts (merchant_id) select unnest(v_new_merchants);
    delete from merchant_count_histogram where merchant_id = any (v_new_merchants);
    delete from upgrade_candidates where merchant_id = any (v_new_merchants);
    insert into merchant_count_histogram
    select * from derived_merchant_count_histogram where merchant_id = any (v_new_merchants);
    insert into upgrade_candidates
    select * from derived_upgrade_candidates where merchant_id = any (v_new_merchants)
    order by merchant_id, customer_id;
  end if;

  -- Moves each touched customer of the other merchants from the old number of transactions to the new one. The row of
  -- a number without customers is deleted.
  merge into merchant_count_histogram as histogram
  using (
    select merchant_id, transaction_count, sum(change) as change
    from (
      select merchant_id, transaction_count, 1 as change
      from touched_pairs
      union all
      select merchant_id, transaction_count - added_count, -1
      from touched_pairs
      where not is_new
    ) as moves
    where merchant_id = any (v_merchants) and merchant_id <> all (v_new_merchants)
    group by merchant_id, transaction_count
    having sum(change) <> 0
  ) as changes
  on histogram.merchant_id = changes.merchant_id and histogram.transaction_count = changes.transaction_count
  when matched and histogram.customer_count + changes.change = 0 then delete
  when matched then update set customer_count = histogram.customer_count + changes.change
  when not matched then
    insert (merchant_id, transaction_count, customer_count)
    values (changes.merchant_id, changes.transaction_count, changes.change);

  v_fallen_merchants := update_merchant_top_counts(v_merchants, v_count_percent_rank_from);

  for v_found in
    delete from upgrade_candidates as candidates
    using (
      select
        pairs.merchant_id,
        pairs.customer_id,
        pairs.transaction_count,
        merchants.transaction_count as merchant_transactions,
        merchants.customer_count,
        (
          select coalesce(sum(histogram.customer_count), 0)::bigint
          from merchant_count_histogram as histogram
          where
            histogram.merchant_id = pairs.merchant_id
            and histogram.transaction_count < pairs.transaction_count
        ) as smaller_counts
      from (
        select risen.merchant_id, risen.customer_id, risen.transaction_count
        from touched_pairs as risen
        inner join merchant_top_counts as tops on tops.merchant_id = risen.merchant_id
        where
          -- of tops, not of risen: the planner would expect a few risen pairs, and look up the top_count of each one
          tops.merchant_id = any (v_merchants)
          and risen.transaction_count >= tops.top_count
          and risen.transaction_count - risen.added_count < tops.former_top_count
          and tops.top_count >= tops.former_top_count
        union all
        select uncovered.merchant_id, uncovered.customer_id, uncovered_stats.transaction_count
        from merchant_top_counts as tops
        inner join upgrade_candidates as uncovered on uncovered.merchant_id = tops.merchant_id
        inner join customer_merchant_stats as uncovered_stats
          on
            uncovered_stats.merchant_id = uncovered.merchant_id
            and uncovered_stats.customer_id = uncovered.customer_id
            and uncovered_stats.transaction_count >= tops.top_count
        where tops.merchant_id = any (v_fallen_merchants)
      ) as pairs
      inner join touched_merchants as merchants on merchants.merchant_id = pairs.merchant_id
    ) as found
    where candidates.merchant_id = found.merchant_id and candidates.customer_id = found.customer_id
    returning
      found.*, candidates.average_weight, candidates.smaller_weights, candidates.weight_count
  loop
    merchant_id := v_found.merchant_id;
    customer_id := v_found.customer_id;
    reason := jsonb_build_object(
      'merchant_transactions', v_found.merchant_transactions,
      'transactions', v_found.transaction_count,
      'count_percent_rank', share_below(v_found.smaller_counts, v_found.customer_count),
      'average_weight', v_found.average_weight,
      'weight_percent_rank', share_below(v_found.smaller_weights, v_found.weight_count)
    );
    return next;
  end loop;
end;
$$;

comment on function bankpulse.detect_upgrade(jsonb) is
  'PatId1, UPGRADE: the candidates that the chunk brought into the top share, by the touched pairs and the histogram.';

------------------------------------------------------------------------------------------------------------------------
-- Its row and its sentence. Thresholds and is_enabled are the operator's: where the row exists, they stay.
insert into bankpulse.patterns (
  pattern_id, action_type, description, match_function, detect_function, remembers, reason_template, thresholds
) values (
  'PatId1', 'UPGRADE',
  'At a merchant with many transactions, a customer among the most frequent there, but with one of the lowest weights.',
  'match_upgrade', 'detect_upgrade', '{merchant_count_histogram, upgrade_candidates, merchant_top_counts}',
  'Customer {customer} has made {transactions} of the {merchant_transactions} transactions at {merchant}, more than {count_percent_rank%} of the other customers, but has a low weight there, {average_weight}: only {weight_percent_rank%} have a lower one.',
  '{"merchant_transactions_above": 50000, "count_percent_rank_from": 0.9, "weight_percent_rank_up_to": 0.1}'
)
on conflict (pattern_id) do update
set
  action_type = excluded.action_type,
  description = excluded.description,
  match_function = excluded.match_function,
  detect_function = excluded.detect_function,
  remembers = excluded.remembers,
  reason_template = excluded.reason_template;

------------------------------------------------------------------------------------------------------------------------
-- Views for people and for its part of the dashboard, src/dashboard/patterns/upgrade.ts.

-- Merchants that have not passed the number of transactions that PatId1 requires, the nearest first. The present pace
-- is the merchant's share of all transactions so far, times the mean size of the last ten chunks.
create or replace view bankpulse.merchants_near_threshold as
-- One row, no join of several: Citus does not tell its workers how many rows the others send, and each join would
-- make their estimate a thousand times larger.
with present_pace as (
  select
    (select (thresholds ->> 'merchant_transactions_above')::numeric from bankpulse.patterns where pattern_id = 'PatId1')
      as merchant_transactions_above,
    (select sum(transaction_count) from bankpulse.merchant_stats) as transaction_count,
    (
      select avg(last_chunks.row_count)
      from (
        select row_count from bankpulse.chunks where chunk_no is not null order by chunk_no desc limit 10
      ) as last_chunks
    ) as mean_rows
),
paced_merchants as (
  select
    stats.merchant_id,
    stats.transaction_count,
    present_pace.merchant_transactions_above,
    floor(present_pace.merchant_transactions_above)::bigint + 1 - stats.transaction_count as transactions_to_go,
    present_pace.mean_rows * stats.transaction_count / present_pace.transaction_count as transactions_per_chunk
  from bankpulse.merchant_stats as stats
  cross join present_pace
  where stats.transaction_count <= present_pace.merchant_transactions_above
)
select
  merchant_id,
  transaction_count,
  transactions_to_go,
  round(transaction_count / nullif(merchant_transactions_above, 0), 3) as share_reached,
  round(transactions_per_chunk, 1) as transactions_per_chunk,
  ceil(transactions_to_go / nullif(transactions_per_chunk, 0))::numeric(20, 0) as chunks_to_go
from paced_merchants
order by transactions_to_go, merchant_id;

comment on view bankpulse.merchants_near_threshold is
  'Merchants that have not passed the number of transactions that PatId1 requires (50,000), the nearest first.';
comment on column bankpulse.merchants_near_threshold.merchant_id is 'The merchant.';
comment on column bankpulse.merchants_near_threshold.transaction_count is 'Transactions so far.';
comment on column bankpulse.merchants_near_threshold.transactions_to_go is 'Number of transactions that are missing to pass the threshold.';
comment on column bankpulse.merchants_near_threshold.share_reached is 'Transactions so far as a share of the threshold.';
comment on column bankpulse.merchants_near_threshold.transactions_per_chunk is
  'The present pace: its share of all transactions, times the mean size of the last ten chunks.';
comment on column bankpulse.merchants_near_threshold.chunks_to_go is
  'Chunks until it passes the threshold at that pace; null if there is none.';

-- The lower end of the top share of a remembered merchant's customers. Select one merchant.
create view bankpulse.merchant_tops as
-- a subquery, because Citus joins no local table to one merchant
with upgrade_thresholds as (
  select bankpulse.threshold(thresholds, 'count_percent_rank_from') as count_percent_rank_from
  from bankpulse.patterns
  where pattern_id = 'PatId1'
)
select
  tops.merchant_id,
  upgrade_thresholds.count_percent_rank_from,
  tops.top_count,
  (
    select coalesce(sum(histogram.customer_count), 0)::bigint
    from bankpulse.merchant_count_histogram as histogram
    where histogram.merchant_id = tops.merchant_id and histogram.transaction_count >= tops.top_count
  ) as top_customer_count
from bankpulse.merchant_top_counts as tops
cross join upgrade_thresholds;

comment on view bankpulse.merchant_tops is
  'The lower end of the top share of a merchant''s customers by transactions; only merchants that have passed the threshold of PatId1.';
comment on column bankpulse.merchant_tops.merchant_id is 'The merchant.';
comment on column bankpulse.merchant_tops.count_percent_rank_from is 'The threshold of PatId1: 0.9 is the top 10 %.';
comment on column bankpulse.merchant_tops.top_count is 'The smallest number of transactions in the top share; null if the share is empty, because too many customers tie.';
comment on column bankpulse.merchant_tops.top_customer_count is 'Customers in the top share.';

-- The customers with the lowest weights for a merchant, their number of transactions, and whether PatId1 has detected
-- them. Select one merchant.
create view bankpulse.dashboard_low_weights as
select
  low_weights.merchant_id,
  low_weights.customer_id,
  low_weights.average_weight,
  bankpulse.share_below(low_weights.smaller_weights, low_weights.weight_count) as weight_percent_rank,
  coalesce(stats.transaction_count, 0) as transaction_count,
  coalesce(stats.transaction_count >= tops.top_count, false) as is_in_top_share,
  found.chunk_no as detected_in_chunk
from bankpulse.low_weights
left join bankpulse.customer_merchant_stats as stats
  on stats.merchant_id = low_weights.merchant_id and stats.customer_id = low_weights.customer_id
left join bankpulse.merchant_top_counts as tops on tops.merchant_id = low_weights.merchant_id
left join bankpulse.detections as found
  on
    found.merchant_id = low_weights.merchant_id
    and found.customer_id = low_weights.customer_id
    and found.pattern_id = 'PatId1';

comment on view bankpulse.dashboard_low_weights is 'The customers with the lowest weights for a merchant.';
comment on column bankpulse.dashboard_low_weights.merchant_id is 'The merchant.';
comment on column bankpulse.dashboard_low_weights.customer_id is 'The customer.';
comment on column bankpulse.dashboard_low_weights.average_weight is 'Weight for the merchant.';
comment on column bankpulse.dashboard_low_weights.weight_percent_rank is 'Share of the merchant''s other listed customers with a strictly smaller weight.';
comment on column bankpulse.dashboard_low_weights.transaction_count is 'Transactions there; 0 if there is none.';
comment on column bankpulse.dashboard_low_weights.is_in_top_share is 'Whether that is in the top share of the merchant''s customers; false if the merchant has not passed the threshold.';
comment on column bankpulse.dashboard_low_weights.detected_in_chunk is 'The chunk after which PatId1 detected the customer there; null if it has not.';
