-- CHUNK_ORDER: chunks go by number or by name. Functions that sql/ defines anew with another argument are dropped here.

-- Up Migration

drop function if exists
  bankpulse.unseen_objects(text[], text[]), bankpulse.object_number(text),
  bankpulse.process_chunk(bigint, text, text, bigint, numeric, bigint, text),
  bankpulse.quarantine_chunk(bigint, text, text, bigint, text);

comment on column bankpulse.chunks.object_number is
  'Number in the key: the last run of digits in its base name. Null if chunks go by name (CHUNK_ORDER).';
comment on column bankpulse.chunks.is_late is
  'By number: true if a greater object_number had been applied or quarantined before. By name: if a greater object_key had been applied.';

-- Down Migration

drop function if exists
  bankpulse.unseen_objects(text[], text[], text), bankpulse.object_number(text, text),
  bankpulse.process_chunk(bigint, text, text, bigint, numeric, bigint, text, text),
  bankpulse.quarantine_chunk(bigint, text, text, bigint, text, text);

comment on column bankpulse.chunks.object_number is 'Number in the key: the last run of digits in its base name.';
comment on column bankpulse.chunks.is_late is 'True if a greater object_number had been applied or quarantined before.';
