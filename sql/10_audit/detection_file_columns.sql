-- The columns of a detection file in their order: those of the view detection_file_rows, which defines them, without
-- batch_no and detection_id.
-- Reads: pg_attribute. Out: their names.
create or replace function bankpulse.detection_file_columns() returns text[]
language sql stable
return array(
  select attname::text
  from pg_catalog.pg_attribute
  where
    attrelid = to_regclass('bankpulse.detection_file_rows') -- by name: the view may be dropped and made anew
    and attnum > 0
    and attname not in ('batch_no', 'detection_id')
  order by attnum
);

comment on function bankpulse.detection_file_columns() is 'The columns of a detection file, in their order.';
