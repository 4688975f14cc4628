-- Merchants that have not passed the number of transactions that PatId1 requires (50,000), the nearest first, and the
-- number that is missing. The present pace is the merchant's share of all transactions so far, times the mean size of
-- the last ten chunks.
create or replace view bankpulse.merchants_near_threshold as
with upgrade_thresholds as (
  select bankpulse.threshold(thresholds, 'merchant_transactions_above') as merchant_transactions_above
  from bankpulse.patterns
  where pattern_id = 'PatId1'
),
paced_merchants as (
  select
    stats.merchant_id,
    stats.transaction_count,
    upgrade_thresholds.merchant_transactions_above,
    floor(upgrade_thresholds.merchant_transactions_above)::bigint + 1 - stats.transaction_count as transactions_to_go,
    recent_chunks.mean_rows * stats.transaction_count / totals.transaction_count as transactions_per_chunk
  from bankpulse.merchant_stats as stats
  cross join upgrade_thresholds
  cross join (select sum(transaction_count) as transaction_count from bankpulse.merchant_stats) as totals
  cross join (
    select avg(last_chunks.row_count) as mean_rows
    from (
      select row_count from bankpulse.chunks where chunk_no is not null order by chunk_no desc limit 10
    ) as last_chunks
  ) as recent_chunks
  where stats.transaction_count <= upgrade_thresholds.merchant_transactions_above
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
