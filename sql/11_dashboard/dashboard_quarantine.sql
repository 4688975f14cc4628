-- The quarantined objects for the dashboard.
create or replace view bankpulse.dashboard_quarantine as
select object_key, size_bytes, applied_at as quarantined_at, error
from bankpulse.chunks
where status = 'quarantined';

comment on view bankpulse.dashboard_quarantine is 'Objects that were set aside because of their content.';
comment on column bankpulse.dashboard_quarantine.object_key is 'Key in S3.';
comment on column bankpulse.dashboard_quarantine.size_bytes is 'Size in bytes.';
comment on column bankpulse.dashboard_quarantine.quarantined_at is 'When it was set aside.';
comment on column bankpulse.dashboard_quarantine.error is 'Why.';
