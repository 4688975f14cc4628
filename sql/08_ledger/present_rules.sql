-- The rules as they are now, which are everything but the stream that detections depend on: the enabled patterns with
-- their thresholds and the definitions of their functions, and the importance file.
-- Reads: patterns, pattern_functions, importance_file. Out: one row, as rules_history keeps it: the hash, the patterns
-- as an object, and the fingerprint of the importance file.
create or replace function bankpulse.present_rules(
  out rules_hash text, out patterns jsonb, out importance_fingerprint text
)
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  select coalesce(
    jsonb_object_agg(
      enabled.pattern_id,
      jsonb_build_object(
        'action_type', enabled.action_type,
        'thresholds', enabled.thresholds,
        'match_function', enabled.match_function,
        'match_definition', (
          select definition_hash from pattern_functions where function_name = enabled.match_function::name
        ),
        'detect_function', enabled.detect_function,
        'detect_definition', (
          select definition_hash from pattern_functions where function_name = enabled.detect_function::name
        ),
        'remembers', enabled.remembers
      )
    ),
    '{}'
  )
  into patterns
  from bankpulse.patterns as enabled
  where enabled.is_enabled;
  select importance_file.fingerprint into importance_fingerprint from importance_file;
  rules_hash := md5(patterns::text || coalesce(importance_fingerprint, ''));
end;
$$;

comment on function bankpulse.present_rules() is 'The rules as they are now, and their hash.';
