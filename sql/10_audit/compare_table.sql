-- Compares the rows of two relations with the same columns.
-- In: the name of the table, for the text; the relation of the audited database and that of the replay; the columns
-- that identify a row. Out: differences, one a row, in the order of merchant, customer and key.
create or replace function bankpulse.compare_table(
  p_table_name text,
  p_audited regclass,
  p_replayed regclass,
  p_key_columns text[]
) returns setof text
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
begin
  return query execute format(
    $sql$
    with audited_rows (content) as (select to_jsonb(audited) from %s as audited),
    replayed_rows (content) as (select to_jsonb(replayed) from %s as replayed),
    differing_rows as (
      select true as is_audited, * from (table audited_rows except table replayed_rows) as surplus_rows
      union all
      select false, * from (table replayed_rows except table audited_rows) as missing_rows
    ),
    keyed_rows as (
      select
        is_audited,
        (content ->> 'merchant_id') collate "C" as merchant_id,
        (content ->> 'customer_id') collate "C" as customer_id,
        (select jsonb_agg(content -> name order by place) from unnest($2) with ordinality as names (name, place)) as key,
        (content - 'merchant_id' - 'customer_id')::text as numbers
      from differing_rows
    )
    select
      format(
        '%%s, merchant %%s%%s: %%s; the replay has %%s',
        $1, merchant_id, ', customer ' || customer_id,
        coalesce(max(numbers) filter (where is_audited), 'no row'),
        coalesce(max(numbers) filter (where not is_audited), 'no row')
      )
    from keyed_rows
    group by merchant_id, customer_id, key
    order by merchant_id, customer_id, key
    $sql$,
    p_audited, p_replayed
  )
  using p_table_name, p_key_columns;
end;
$$;

comment on function bankpulse.compare_table(text, regclass, regclass, text[]) is
  'Differences between the rows of two relations with the same columns.';
