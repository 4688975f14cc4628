-- Creates the staging tables in a schema: in pg_temp for one session, or in a lane of a distributed database.
-- In: the schema. Writes: staged_rows, summed_pairs, touched_pairs, merchant_additions and the views staged_pairs and
-- touched_merchants in that schema. Safe to call again.
--
-- COPY fills staged_rows, sum_up_staged_rows summed_pairs, process_chunk the others. Temporary tables write no WAL, and the
-- commit empties them.
create or replace function bankpulse.create_staging_tables(p_schema text) returns void
language plpgsql volatile
set search_path = bankpulse, pg_temp
-- also without the warning of Citus that the view is made on the coordinator alone, where it is used
set client_min_messages = error
as $$
declare
  v_is_temporary constant boolean := p_schema = 'pg_temp';
  v_on_commit constant text := case when v_is_temporary then 'on commit delete rows' else '' end;
begin
  -- accepted rows
  execute format($sql$
    create table if not exists %I.staged_rows (
      customer_id text collate "C" not null,
      placed_gender text collate "C" not null, -- ten digits of the row's place in the file, then the gender
      merchant_id text collate "C" not null,
      amount numeric not null
    ) %s
  $sql$, p_schema, v_on_commit);

  -- the accepted rows by pair; in a lane by sum(), because the workers of Citus do not have add_up
  execute format($sql$
    create or replace view %1$I.staged_pairs as
    select
      merchant_id,
      customer_id,
      count(*) as transaction_count,
      %2$I.%3$I(amount) as total_amount,
      min(placed_gender) as first_gender
    from %1$I.staged_rows
    group by merchant_id, customer_id
  $sql$,
    p_schema,
    case when v_is_temporary then 'bankpulse' else 'pg_catalog' end,
    case when v_is_temporary then 'add_up' else 'sum' end
  );
  -- the same, kept; in a lane computed by the worker that is asked
  if v_is_temporary then
    create table if not exists pg_temp.summed_pairs (
      merchant_id text collate "C" not null,
      customer_id text collate "C" not null,
      transaction_count bigint not null,
      total_amount numeric not null,
      first_gender text collate "C" not null
    ) on commit delete rows;
  else
    execute format('create or replace view %I.summed_pairs as select * from %I.staged_pairs', p_schema, p_schema);
  end if;

  -- the pairs that the chunk changes, with their values after the chunk
  execute format($sql$
    create table if not exists %I.touched_pairs (
      merchant_id text collate "C" not null,
      customer_id text collate "C" not null,
      gender text not null,
      transaction_count bigint not null,
      total_amount numeric not null,
      added_count bigint not null,
      is_new boolean not null,
      stats_row tid -- ctid of the pair in customer_merchant_stats before the chunk; null if the pair is new
    ) %s
  $sql$, p_schema, v_on_commit);

  -- what the chunk adds to merchants
  execute format($sql$
    create table if not exists %I.merchant_additions (
      merchant_id text collate "C" not null,
      transaction_count bigint not null,
      customer_count bigint not null,
      female_count bigint not null,
      male_count bigint not null
    ) %s
  $sql$, p_schema, v_on_commit);

  -- the merchants that the chunk changes, with their values after the chunk
  execute format($sql$
    create or replace view %I.touched_merchants as
    select stats.merchant_id, stats.transaction_count, stats.customer_count, stats.female_count, stats.male_count
    from %I.merchant_additions as additions
    inner join bankpulse.merchant_stats as stats on stats.merchant_id = additions.merchant_id
  $sql$, p_schema, p_schema);
end;
$$;

comment on function bankpulse.create_staging_tables(text) is
  'Creates the tables and views in a schema that a chunk is staged in.';
