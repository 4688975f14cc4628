-- A database and the place of its detection files belong together: the owner object beside that place holds pipeline_id.

-- Up Migration

create table bankpulse.pipeline (
  is_only_row boolean primary key default true,
  pipeline_id uuid not null default gen_random_uuid(),
  bucket text,
  owner_key text,
  claimed_at timestamptz,
  constraint there_is_one_pipeline check (is_only_row),
  constraint place_is_known_when_claimed check (
    (bucket is null) = (claimed_at is null) and (owner_key is null) = (claimed_at is null)
  )
);
comment on table bankpulse.pipeline is
  'One row: the identity of this database, and the place of its detection files.';
comment on column bankpulse.pipeline.is_only_row is 'Always true: there is one row.';
comment on column bankpulse.pipeline.pipeline_id is
  'What the owner object must hold. A copy of the database keeps it, so that a restored one still owns its files.';
comment on column bankpulse.pipeline.bucket is 'The bucket of the owner object; null before the first start of mechanism Y.';
comment on column bankpulse.pipeline.owner_key is 'The key of the owner object, which stands beside the detection files.';
comment on column bankpulse.pipeline.claimed_at is 'When mechanism Y recorded this place.';
insert into bankpulse.pipeline default values;

-- Down Migration

drop table bankpulse.pipeline;
