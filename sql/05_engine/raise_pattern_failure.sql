-- Raises again what a pattern's function has raised. What may pass by itself, and what the disk or the server has to
-- answer for, keeps its SQLSTATE; anything else is the pattern's fault.
-- In: the pattern, SQLSTATE and message. Raises BP005 (pattern_failed), or the given SQLSTATE.
create or replace function bankpulse.raise_pattern_failure(p_pattern_id text, p_sqlstate text, p_message text)
returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
begin
  raise exception 'pattern %: %', p_pattern_id, p_message
  using
    errcode = case when p_sqlstate ~ '^(08|25|40|53|55|57|58|XX)' then p_sqlstate else 'BP005' end,
    detail = 'SQLSTATE ' || p_sqlstate;
end;
$$;

comment on function bankpulse.raise_pattern_failure(text, text, text) is
  'Raises an error of a pattern''s function again, with the name of the pattern.';
