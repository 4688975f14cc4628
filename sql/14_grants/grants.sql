-- The rights of two roles: bankpulse_writer may do exactly what mechanism Y does; bankpulse_reader may read
-- everything and change nothing. Grant them to login roles: grant bankpulse_reader to alice. Roles belong to the
-- whole server. What the migrating role may not do, making roles or giving rights, is left out, and a warning says by
-- name what is missing now, and how it is given.
--
-- npm run migrate applies this file last, each time that it runs: objects that were created anew need their grants, a
-- database that was restored on another server needs the roles, and what was refused before may be allowed now. Default
-- privileges would cover only objects created by the same role. All grants are revoked and granted again, so a grant
-- removed from this file is revoked.

-- these functions run with their owner's rights
revoke execute on function bankpulse.refresh_views(), bankpulse.retry_quarantined_chunk(text) from public;

do $$
declare
  v_role text;
  v_missing text[] := '{}';
begin
  foreach v_role in array array['bankpulse_writer', 'bankpulse_reader'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin', v_role);
      exception
        when duplicate_object or unique_violation then null; -- another session created it meanwhile
        when insufficient_privilege then v_missing := v_missing || v_role;
      end;
    end if;
  end loop;
  if v_missing <> '{}' then
    raise warning 'the role% % % not set up: % may not create roles; let a role with createrole run "npm run migrate", or say % and migrate again; until then only the owner of the schema, %, can do what % for',
      case cardinality(v_missing) when 1 then '' else 's' end,
      array_to_string(v_missing, ' and '),
      case cardinality(v_missing) when 1 then 'was' else 'were' end,
      quote_ident(current_user),
      (select string_agg(format('"create role %I nologin"', name), ' and ' order by place)
       from unnest(v_missing) with ordinality as missing (name, place)),
      (select quote_ident(pg_get_userbyid(nspowner)) from pg_namespace where nspname = 'bankpulse'),
      case cardinality(v_missing) when 1 then 'it is' else 'they are' end;
  end if;
end;
$$;

-- Citus makes a role on the workers when it is made here, in a database with the extension, while they are known. These two
-- are made there whatever the order was; a login role has its own way to log in, so an administrator makes it.
do $$
declare
  v_group_roles constant text[] := '{bankpulse_writer, bankpulse_reader}';
  v_failures text;
  v_missing text;
begin
  if not exists (select from pg_extension where extname = 'citus') then
    return;
  end if;
  select string_agg(distinct result, '; ') into v_failures
  from pg_roles
  cross join lateral run_command_on_workers(
    format(
      'do %L',
      format(
        'begin if not exists (select from pg_roles where rolname = %L) then create role %I nologin; end if; end',
        rolname, rolname
      )
    )
  )
  where rolname = any (v_group_roles) and not success;
  if v_failures is not null then
    raise warning 'the roles bankpulse_writer and bankpulse_reader were not made on each worker (%); make them there and migrate again',
      v_failures;
  end if;

  select string_agg(distinct result, ', ') into v_missing
  from run_command_on_workers(
    format(
      'select string_agg(quote_ident(name), %L) from unnest(%L::text[]) as names (name)
      where not exists (select from pg_roles where rolname = name)',
      ', ',
      array(
        select members.rolname
        from pg_roles as members
        where
          members.rolcanlogin
          and exists (
            select from pg_roles as groups
            where groups.rolname = any (v_group_roles) and pg_has_role(members.oid, groups.oid, 'member')
          )
        order by members.rolname
      )
    )
  )
  where success and result <> '';
  if v_missing is not null then
    raise warning 'the coordinator must log in to each worker as the role that asks it, and these do not exist on each: %; make them there, for example: create role NAME login in role bankpulse_writer',
      v_missing;
  end if;
end;
$$;

do $$
declare
  v_owner constant name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'bankpulse');
  v_statement text;
  v_refused text[] := '{}';
begin
  -- the login role made the roles above; the owner of the schema gives the rights, if the login role is a member of it
  if pg_has_role(session_user, v_owner, 'member') then
    begin
      perform set_config('role', v_owner, true);
    exception
      when insufficient_privilege then null; -- since PostgreSQL 16 a member may lack the right to switch
    end;
  end if;

  -- each statement ends with the role that it is for
  foreach v_statement in array array[
    'revoke all on all tables in schema bankpulse from bankpulse_writer',
    'revoke all on all tables in schema bankpulse from bankpulse_reader',
    'alter default privileges in schema bankpulse revoke select on tables from bankpulse_writer',
    'alter default privileges in schema bankpulse revoke select on tables from bankpulse_reader',

    'grant usage on schema bankpulse to bankpulse_writer',
    'grant usage on schema bankpulse to bankpulse_reader',
    'grant select on all tables in schema bankpulse to bankpulse_writer',
    'grant select on all tables in schema bankpulse to bankpulse_reader',
    -- of the audit alone
    'revoke select on bankpulse.checkpoint, bankpulse.checkpoint_pairs from bankpulse_writer',

    -- The past stays: Y never deletes a ledger row, detection, batch or run, and changes only these columns of them.
    'grant insert, update (listed_etag) on bankpulse.chunks to bankpulse_writer',
    'grant insert, update (batch_no) on bankpulse.detections to bankpulse_writer',
    'grant insert, update (exported_at) on bankpulse.detection_batches to bankpulse_writer',
    'grant insert, update (ended_at, pending_count, oldest_pending_at, listed_at, listing_expires_at) on bankpulse.runs to bankpulse_writer',
    'grant update (run_id, taken_at) on bankpulse.pipeline_lease to bankpulse_writer',
    'grant insert, update (detection_id) on bankpulse.taken_over_rows to bankpulse_writer',
    'grant update (bucket, owner_key, claimed_at) on bankpulse.pipeline to bankpulse_writer',
    -- the triggers in 03_state keep the totals, with the rights of the role that writes the rows
    'grant update (chunks_applied, chunks_quarantined, rows_applied, rows_rejected, batches_closed) on bankpulse.pipeline_totals to bankpulse_writer',
    'grant insert, update (detection_count) on bankpulse.pattern_totals to bankpulse_writer',
    'grant insert, update (detection_count) on bankpulse.merchant_totals to bankpulse_writer',
    -- another importance file replaces these as a whole, with its rejected rows
    'grant insert, delete on bankpulse.importance_file to bankpulse_writer',
    'grant insert, delete on bankpulse.customer_weights to bankpulse_writer',
    'grant insert, delete on bankpulse.rejected_rows to bankpulse_writer',
    -- the running state
    'grant insert, update (transaction_count, total_amount) on bankpulse.customer_merchant_stats to bankpulse_writer',
    'grant insert, update (transaction_count, customer_count, female_count, male_count) on bankpulse.merchant_stats to bankpulse_writer',
    'grant insert on bankpulse.rules_history to bankpulse_writer',

    'grant execute on function bankpulse.refresh_views() to bankpulse_writer',
    'grant execute on function bankpulse.retry_quarantined_chunk(text) to bankpulse_writer'
  ] || array(
    -- what the patterns remember
    select format('grant insert, update, delete on bankpulse.%I to bankpulse_writer', name)
    from (select distinct unnest(remembers) as name from bankpulse.patterns) as remembered
    order by name
  ) || array(
    -- the staging tables of a distributed database
    select format(statement, nspname)
    from pg_namespace
    cross join unnest(array[
      'grant usage on schema %I to bankpulse_writer',
      'grant select, insert, delete, truncate on all tables in schema %I to bankpulse_writer'
    ]) as statements (statement)
    where nspname ~ '^bankpulse_lane_\d+$'
    order by nspname, statement desc
  ) loop
    continue when not exists (select from pg_roles where rolname = substring(v_statement from '\w+$'));
    begin
      execute v_statement;
    exception
      -- a worker may lack the role
      when insufficient_privilege or undefined_object then
        v_refused := v_refused || format('%s (%s)', v_statement, sqlerrm);
    end;
  end loop;
  perform set_config('role', 'none', true);

  if v_refused <> '{}' then
    raise warning 'these rights are missing, and % may not give them: the owners of these objects must say: %',
      quote_ident(session_user), array_to_string(v_refused, '; ');
  end if;
end;
$$;

-- Staging needs temporary tables. Every role may create them, unless the database's owner has revoked that from
-- public.
do $$
begin
  if not exists (select from pg_roles where rolname = 'bankpulse_writer') then
    return;
  end if;
  if (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
    execute format('grant temporary on database %I to bankpulse_writer', current_database());
  elsif not has_database_privilege('bankpulse_writer', current_database(), 'temporary') then
    raise warning 'bankpulse_writer may not make temporary tables here; its owner must say: grant temporary on database % to bankpulse_writer',
      quote_ident(current_database());
  end if;
end;
$$;
