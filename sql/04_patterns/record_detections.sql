-- Records the detections of a chunk: everything that an enabled pattern's detect function finds and that is not
-- detected already, in the order of pattern, merchant and customer. After a change of thresholds or weights older
-- state may match too; then it also records the rows of pattern_matches.
-- In: the chunk, the run, the time of detection, and whether the rules changed. Reads: patterns, pattern_matches, and
-- the tables that detect functions read. Writes: detections, and the tables that detect functions write. Out: the
-- number of new detections.
create or replace function bankpulse.record_detections(
  p_chunk_no bigint,
  p_run_id bigint,
  p_detected_at timestamptz,
  p_rules_changed boolean
) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_pattern patterns;
  v_found_count bigint;
  v_detection_count bigint := 0;
begin
  if p_rules_changed then
    perform rebuild_upgrade_candidates();
  end if;

  for v_pattern in select * from patterns where is_enabled order by pattern_id loop
    -- only the name of the function is put into the text, quoted; it comes from the table patterns
    execute format(
      $sql$
      with matches as (
        select merchant_id collate "C" as merchant_id, customer_id collate "C" as customer_id, reason
        from %I($1)
        %s
      ),
      new_matches as (
        select distinct on (merchant_id, customer_id) *
        from matches
        where
          not exists (
            select from detections
            where
              detections.merchant_id = matches.merchant_id
              and detections.pattern_id = $2
              and detections.customer_id = matches.customer_id
          )
        order by merchant_id, customer_id
      )
      insert into detections (
        pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, reason
      )
      select $2, $3, merchant_id, customer_id, $4, $5, $6, reason
      from new_matches
      order by merchant_id, customer_id
      $sql$,
      v_pattern.detect_function,
      case
        when p_rules_changed then
          'union all select merchant_id, customer_id collate "C", reason from pattern_matches where pattern_id = $2'
      end
    )
    using v_pattern.thresholds, v_pattern.pattern_id, v_pattern.action_type, p_chunk_no, p_run_id, p_detected_at;

    get diagnostics v_found_count = row_count;
    v_detection_count := v_detection_count + v_found_count;
  end loop;
  return v_detection_count;
end;
$$;

comment on function bankpulse.record_detections(bigint, bigint, timestamptz, boolean) is
  'Records what the enabled patterns find after a chunk and is not detected already; returns how many.';
