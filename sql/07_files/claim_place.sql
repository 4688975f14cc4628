-- Records the place of this database's detection files, after the owner object there was found to hold pipeline_id.
-- A call with the same place changes nothing. Writes: pipeline.
create or replace function bankpulse.claim_place(p_bucket text, p_owner_key text) returns void
language sql volatile
begin atomic
  update bankpulse.pipeline
  set bucket = p_bucket, owner_key = p_owner_key, claimed_at = clock_timestamp()
  where (pipeline.bucket, pipeline.owner_key) is distinct from (p_bucket, p_owner_key);
end;

comment on function bankpulse.claim_place(text, text) is
  'Records the bucket and the key of the owner object of this database''s detection files.';
