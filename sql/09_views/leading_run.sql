-- The run that holds the lease, in one row, and whether its Y works; all null and `none` before the first. Its listing is
-- current as long as Y said that it holds: a Y that cannot list leaves an old one. `npm run rebuild` holds the lease, too.
create or replace view bankpulse.leading_run as
with leading_session as (
  -- holds try_take_over's lock; the server ends a session whose heartbeats stop, so a Y that hangs has none
  -- a rebuild's session holds the lock of the audits besides
  select
    locks.pid,
    bool_or(locks.objid = 4242003) as is_rebuild
  from pg_catalog.pg_locks as locks
  where locks.locktype = 'advisory' and locks.granted
    and locks.database = (select oid from pg_catalog.pg_database where datname = current_database())
    and locks.classid = 0 and locks.objid in (4242001, 4242003) and locks.objsubid = 1
  group by locks.pid
  having bool_or(locks.objid = 4242001)
)
select
  runs.run_id,
  runs.started_at,
  runs.ended_at,
  runs.pending_count,
  runs.oldest_pending_at,
  runs.listed_at,
  coalesce(runs.listing_expires_at > clock_timestamp(), false) as is_listing_current,
  case
    when runs.run_id is null then 'none'
    when (select is_rebuild from leading_session) then 'rebuilding'
    when runs.ended_at is not null then 'ended'
    when not exists (select from leading_session) then 'silent'
    -- before the first listing of a term it loads the weights and lists all there is
    when
      case
        when runs.listed_at > pipeline_lease.taken_at then runs.listing_expires_at
        else pipeline_lease.taken_at + interval '1 min'
      end <= clock_timestamp()
      then 'not_listing'
    when runs.pending_count > 0 then 'working'
    else 'waiting'
  end as run_state
from bankpulse.pipeline_lease
-- a subquery, so that the run is looked up: the planner cannot know that the lease has one row, and might read all runs
left join bankpulse.runs on runs.run_id = (select run_id from bankpulse.pipeline_lease);

comment on view bankpulse.leading_run is 'The run that holds the lease, in one row, and whether its Y works.';
comment on column bankpulse.leading_run.run_id is 'The run; null before the first.';
comment on column bankpulse.leading_run.started_at is 'When it started.';
comment on column bankpulse.leading_run.ended_at is 'When it ended in good order.';
comment on column bankpulse.leading_run.pending_count is 'Objects that waited in S3 at its last listing.';
comment on column bankpulse.leading_run.oldest_pending_at is 'Since when the oldest of them had been there.';
comment on column bankpulse.leading_run.listed_at is 'When that listing ended.';
comment on column bankpulse.leading_run.is_listing_current is 'Whether that listing still says what waits.';
comment on column bankpulse.leading_run.run_state is
  'none: no Y has ever worked; rebuilding: npm run rebuild is at work, and every Y stands by; ended; silent: its session is gone, and no other works; not_listing: it works, and cannot list the bucket; working: chunks wait; waiting: no chunk waits.';
