-- The columns of a table's primary key.
-- In: the table. Reads: pg_index, pg_attribute. Out: their names.
create or replace function bankpulse.key_columns(p_table regclass) returns text[]
language sql stable
return array(
  select attributes.attname::text
  from pg_catalog.pg_index as indexes
  inner join pg_catalog.pg_attribute as attributes
    on attributes.attrelid = indexes.indrelid and attributes.attnum = any (indexes.indkey)
  where indexes.indrelid = p_table and indexes.indisprimary
  order by attributes.attnum
);

comment on function bankpulse.key_columns(regclass) is 'The columns of a table''s primary key.';
