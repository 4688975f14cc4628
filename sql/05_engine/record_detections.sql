-- Records the detections of a chunk: everything that an enabled pattern's function finds and that is not detected
-- already, in the order of pattern, merchant and customer. When patterns or weights have changed, older state may match
-- too: then all state is judged, and what the patterns remember is forgotten.
-- In: the chunk, the run, the time of detection, and whether the rules changed. Reads: patterns, and the tables that
-- the patterns' functions read. Writes: detections, and the tables that these functions write. Out: the number of new
-- detections. Raises BP005 (pattern_failed).
create or replace function bankpulse.record_detections(
  p_chunk_no bigint,
  p_run_id bigint,
  p_detected_at timestamptz,
  p_rules_changed boolean
) returns bigint
language plpgsql volatile
as $$
declare
  v_pattern bankpulse.patterns;
  v_found_count bigint;
  v_detection_count bigint := 0;
begin
  if p_rules_changed then
    -- what a worker has not committed of the chunk before, or of the weights, would be missed, now and later
    if staging_lane() is not null then
      perform await_workers();
    end if;
    perform forget_remembered();
  end if;

  for v_pattern in select * from patterns where is_enabled order by pattern_id loop
    insert into detections (
      pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, reason
    )
    select
      v_pattern.pattern_id, v_pattern.action_type, merchant_id, customer_id, p_chunk_no, p_run_id, p_detected_at, reason
    from (
      select distinct on (merchant_id collate "C", customer_id collate "C")
        matches.merchant_id collate "C" as merchant_id,
        matches.customer_id collate "C" as customer_id,
        matches.reason
      from newly_matching(v_pattern, p_rules_changed) as matches
      order by merchant_id collate "C", customer_id collate "C"
    ) as new_matches
    where
      not exists (
        select from detections as former
        where
          former.merchant_id = new_matches.merchant_id
          and former.pattern_id = v_pattern.pattern_id
          and former.customer_id = new_matches.customer_id
      )
    order by merchant_id, customer_id;

    get diagnostics v_found_count = row_count;
    v_detection_count := v_detection_count + v_found_count;
  end loop;
  return v_detection_count;
end;
$$;

comment on function bankpulse.record_detections(bigint, bigint, timestamptz, boolean) is
  'Records what the enabled patterns find after a chunk and is not detected already; returns how many.';
