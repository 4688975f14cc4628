-- Fills a sentence with values. {name} stands for a value as readable_value shows it, {name%} for a share as a
-- percentage. A placeholder without a value becomes [no name], so that a misspelt one is seen.
-- In: the template; the values, an object. Out: the sentence; values are put in as they are, braces in them too. Reads
-- no table. In PL/pgSQL, because PostgreSQL then plans the query once for a session, and not for each detection.
create or replace function bankpulse.sentence(p_template text, p_values jsonb) returns text
language plpgsql stable parallel safe
set search_path = bankpulse, pg_temp
as $$
begin
  return (
    select
      string_agg(
        parts.part[1] || case
          when parts.part[2] is null then ''
          else coalesce(readable_value(p_values -> parts.part[2], parts.part[3] = '%'), '[no ' || parts.part[2] || ']')
        end,
        '' order by parts.place
      )
    -- a text without a placeholder, or a placeholder and the text before it
    from regexp_matches(p_template, '((?:[^{]|\{(?!\w+%?\}))*)(?:\{(\w+)(%?)\})?', 'g')
      with ordinality as parts (part, place)
  );
end;
$$;

comment on function bankpulse.sentence(text, jsonb) is 'The template with its placeholders replaced by values.';
