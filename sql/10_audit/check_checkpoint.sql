-- Whether the checkpoint agrees with the ledger's counts: every accepted row is a transaction of one pair.
-- Reads: checkpoint, checkpoint_pairs. Out: the difference in words; null if there is none, or no checkpoint.
create or replace function bankpulse.check_checkpoint() returns text
language sql stable
return (
  select
    format(
      'checkpoint of chunk %s: its pairs have %s transactions, the chunks up to it had %s rows accepted',
      checkpoint.chunk_no, counted.transaction_count, checkpoint.row_count
    )
  from bankpulse.checkpoint
  cross join (
    select coalesce(sum(transaction_count), 0) as transaction_count from bankpulse.checkpoint_pairs
  ) as counted
  where counted.transaction_count <> checkpoint.row_count
);

comment on function bankpulse.check_checkpoint() is
  'How the checkpoint differs from the ledger''s counts; null if it does not.';
