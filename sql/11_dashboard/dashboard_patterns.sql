-- What the dashboard says about the patterns: the thresholds as they are now, and nothing of how they are judged.
create or replace view bankpulse.dashboard_patterns as
select pattern_id, action_type, description, is_enabled, thresholds
from bankpulse.patterns;

comment on view bankpulse.dashboard_patterns is 'The patterns and their thresholds, for the dashboard.';
comment on column bankpulse.dashboard_patterns.pattern_id is 'Name of the pattern.';
comment on column bankpulse.dashboard_patterns.action_type is 'What the merchant is told to do.';
comment on column bankpulse.dashboard_patterns.description is 'The pattern in a sentence.';
comment on column bankpulse.dashboard_patterns.is_enabled is 'Whether it is looked for.';
comment on column bankpulse.dashboard_patterns.thresholds is 'The numbers it compares with.';
