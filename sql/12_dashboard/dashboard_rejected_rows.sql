-- Rejected rows for the dashboard: the first 50 of each of the newest 100 chunks that have any, and of the importance
-- file. These limits keep the view cheap however many rows are rejected.
create or replace view bankpulse.dashboard_rejected_rows as
with rejecting_files as (
  (
    select object_key, chunk_no, rejected_count
    from bankpulse.chunks
    where chunk_no is not null and rejected_count > 0
    order by chunk_no desc
    limit 100
  )
  union all
  select file_name, null, rejected_count
  from bankpulse.importance_file
  where rejected_count > 0
)
select
  rejecting_files.chunk_no,
  rejecting_files.object_key,
  rejecting_files.rejected_count,
  first_rows.line_number,
  first_rows.reason,
  first_rows.line
from rejecting_files
cross join lateral (
  select rejected_rows.line_number, rejected_rows.reason, rejected_rows.line
  from bankpulse.rejected_rows
  where rejected_rows.object_key = rejecting_files.object_key
  order by rejected_rows.line_number
  limit 50
) as first_rows;

comment on view bankpulse.dashboard_rejected_rows is 'Rejected rows of the newest chunks that have any, and of the importance file.';
comment on column bankpulse.dashboard_rejected_rows.chunk_no is 'The chunk; null for the importance file.';
comment on column bankpulse.dashboard_rejected_rows.object_key is 'Key of the chunk, or name of the importance file.';
comment on column bankpulse.dashboard_rejected_rows.rejected_count is 'Number of rejected rows of that file.';
comment on column bankpulse.dashboard_rejected_rows.line_number is 'Physical line on which the row starts.';
comment on column bankpulse.dashboard_rejected_rows.reason is 'Why it was rejected.';
comment on column bankpulse.dashboard_rejected_rows.line is 'The row as it stands in the file.';
