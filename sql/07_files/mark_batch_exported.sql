-- Records that the file of a batch is written. In: the batch. Writes: detection_batches. Safe to call again.
create or replace function bankpulse.mark_batch_exported(p_batch_no bigint) returns void
language sql volatile
begin atomic
  update bankpulse.detection_batches
  set exported_at = greatest(clock_timestamp(), closed_at) -- the clock may have been set back
  where batch_no = p_batch_no and exported_at is null;
end;

comment on function bankpulse.mark_batch_exported(bigint) is 'Records that the file of a batch is written.';
