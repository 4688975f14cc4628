-- Hash of the rules, which are everything but the stream that detections depend on: the enabled patterns with their
-- thresholds, and the importance file. Reads: patterns, importance_file.
create or replace function bankpulse.rules_hash() returns text
language sql stable
return md5(
  coalesce(
    (
      select
        string_agg(
          jsonb_build_array(pattern_id, action_type, detect_function, thresholds)::text,
          E'\n' order by pattern_id
        )
      from bankpulse.patterns
      where is_enabled
    ),
    ''
  ) || coalesce((select fingerprint from bankpulse.importance_file), '')
);

comment on function bankpulse.rules_hash() is 'Hash of the enabled patterns, their thresholds and the importance file.';
