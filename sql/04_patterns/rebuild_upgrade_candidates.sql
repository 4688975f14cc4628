-- Fills the candidates of PatId1 from nothing. record_detections calls it when thresholds or weights have changed or
-- the pattern was enabled or disabled; a rebuild of the state calls it too.
-- Reads: derived_upgrade_candidates and the tables it reads. Writes: upgrade_candidates, merchant_top_counts.
create or replace function bankpulse.rebuild_upgrade_candidates() returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  delete from upgrade_candidates;
  insert into upgrade_candidates
  select * from derived_upgrade_candidates
  order by merchant_id, customer_id;

  -- without a row for a merchant, the next chunk that touches it looks at all its candidates
  delete from merchant_top_counts;
end;
$$;

comment on function bankpulse.rebuild_upgrade_candidates() is
  'Fills upgrade_candidates from derived_upgrade_candidates.';
