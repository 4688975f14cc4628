-- The functions of schema bankpulse that a pattern can name: those with one argument of type jsonb. A view and not a
-- function, because PL/pgSQL keeps the plans of queries, and a function in SQL is planned at every call.
create or replace view bankpulse.pattern_functions as
select
  proname as function_name,
  -- a function in SQL has its body as text or parsed; for the latter, search_path decides how names are written
  md5(prosrc || coalesce(pg_get_function_sqlbody(oid), '')) as definition_hash
from pg_catalog.pg_proc
where
  pronamespace = 'bankpulse'::regnamespace
  and pronargs = 1
  and proargtypes[0] = 'jsonb'::regtype;

comment on view bankpulse.pattern_functions is 'The functions that a pattern can name, with a hash of their definition.';
comment on column bankpulse.pattern_functions.function_name is 'Name of the function.';
comment on column bankpulse.pattern_functions.definition_hash is 'Hash of its body; comparable with the same search_path.';
