-- Lets the replay of a scratch database begin behind the checkpoint, if the caller has copied one from the audited
-- database. The detections up to the checkpoint are taken as given; what holds at the checkpoint by the rules of its
-- chunk, and is not detected, is a detection of the replay.
-- Reads: checkpoint, checkpoint_pairs, detections, pattern_matches, and what use_rules_of reads. Writes:
-- customer_merchant_stats, pg_temp.replayed_detections, patterns. Out: the chunk of the checkpoint; 0 if there is none,
-- then nothing is written.
create or replace function bankpulse.begin_at_checkpoint() returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
-- as in replay_chunk
set enable_nestloop = off
set jit = off
as $$
declare
  v_chunk_no constant bigint := (select chunk_no from checkpoint);
begin
  if v_chunk_no is null then
    return 0;
  end if;
  insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant_id, customer_id, gender, transaction_count, total_amount
  from checkpoint_pairs;

  insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
  select pattern_id, merchant_id, customer_id, chunk_no
  from detections
  where chunk_no <= v_chunk_no;

  if use_rules_of(v_chunk_no) is null then
    insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
    select pattern_id, merchant_id, customer_id, v_chunk_no
    from pattern_matches
    on conflict do nothing;
  end if;
  return v_chunk_no;
end;
$$;

comment on function bankpulse.begin_at_checkpoint() is
  'Lets a replay begin behind the checkpoint; returns its chunk, 0 if there is none.';
