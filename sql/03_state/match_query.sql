-- The query that asks a match function. A function in SQL whose body is one parsed query is put into it as a subquery, as
-- PostgreSQL itself does when it can: so for some merchants only their state is read, and Citus, which plans before
-- PostgreSQL does that, sees which tables are read. Any other function is called.
-- In: the name of the function. Reads: pg_proc. Out: a query for merchant_id, customer_id and reason, whose only
-- parameter, $1, is the thresholds; to be run with the search_path of this function. A function that does not exist is called, too, so that
-- PostgreSQL names it.
create or replace function bankpulse.match_query(p_function_name text) returns text
language sql stable
set search_path = bankpulse, pg_temp
as $$
  select
    case
      when body is null then format('select merchant_id, customer_id, reason from %I($1) as matches', p_function_name)
      else
        format(
          'select merchant_id, customer_id, reason::jsonb from (%s) as matches (merchant_id, customer_id, reason)',
          -- PostgreSQL writes the argument as function.argument where a table is in scope
          regexp_replace(
            body[1],
            format('(%s\.)?\m%s\M', quote_ident(proname), quote_ident(proargnames[1])),
            '$1', 'g'
          )
        )
    end
  from (select to_regprocedure(format('bankpulse.%I(jsonb)', p_function_name)) as function_oid) as named
  left join pg_proc on oid = function_oid
  left join lateral regexp_match(
    pg_get_function_sqlbody(oid), '^\s*BEGIN ATOMIC\s((?:(?!;\n).)*);\s*END\s*$'
  ) as bodies (body) on true
$$;

comment on function bankpulse.match_query(text) is
  'The query that asks a match function; its only parameter is the thresholds.';
