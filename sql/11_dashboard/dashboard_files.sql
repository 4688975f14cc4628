-- The detection files, for the dashboard; their rows stand in detection_file_rows.
create or replace view bankpulse.dashboard_files as
select batch_no, object_key, row_count, closed_at, exported_at
from bankpulse.detection_batches;

comment on view bankpulse.dashboard_files is 'The detection files.';
comment on column bankpulse.dashboard_files.batch_no is 'Number of the file, from 1.';
comment on column bankpulse.dashboard_files.object_key is 'Key in S3.';
comment on column bankpulse.dashboard_files.row_count is 'Detections in it.';
comment on column bankpulse.dashboard_files.closed_at is 'When its rows were settled.';
comment on column bankpulse.dashboard_files.exported_at is 'When it was known to be written; null before.';
