-- The query that asks a match function. A function in SQL whose body is one parsed query is put into it as a subquery, as
-- PostgreSQL itself does when it can: so for some merchants only their state is read, and Citus, which plans before
-- PostgreSQL does that, sees which tables are read. Any other function is called.
-- In: the name of the function. Reads: pg_proc. Out: a query for merchant_id, customer_id and reason, whose only
-- parameter, $1, is the thresholds; to be run with the search_path of this function. Null if there is no such function.
create or replace function bankpulse.match_query(p_function_name text) returns text
language sql stable
set search_path = bankpulse, pg_temp
as $$
  select
    case
      when body is null then format('select merchant_id, customer_id, reason from %I($1) as matches', proname)
      else
        format(
          'select merchant_id, customer_id, reason from (%s) as matches (merchant_id, customer_id, reason)',
          -- PostgreSQL writes the argument as function.argument where a table is in scope
          regexp_replace(
            body[1],
            format('(%s\.)?\m%s\M', quote_ident(proname), quote_ident(proargnames[1])),
            '$1', 'g'
          )
        )
    end
  from pg_proc
  left join lateral regexp_match(
    pg_get_function_sqlbody(oid), '^\s*BEGIN ATOMIC\s((?:(?!;\n).)*);\s*END\s*$'
  ) as bodies (body) on true
  where oid = to_regprocedure(format('bankpulse.%I(jsonb)', p_function_name))
$$;

comment on function bankpulse.match_query(text) is
  'The query that asks a match function; its only parameter is the thresholds.';
