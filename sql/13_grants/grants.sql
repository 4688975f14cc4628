-- The rights of two roles: bankpulse_writer may do exactly what mechanism Y does; bankpulse_reader may read
-- everything and change nothing. Grant them to login roles: grant bankpulse_reader to alice. Roles belong to the
-- whole server; if the migrating role may not create them, this file raises one warning and changes nothing.
--
-- npm run migrate applies this file last, after every migration and every change of another file, because objects
-- that were created anew need their grants. Default privileges would cover only objects created by the same role. All
-- grants are revoked and granted again, so a grant removed from this file is revoked.

-- these functions run with their owner's rights
revoke execute on function bankpulse.refresh_views(), bankpulse.retry_quarantined_chunk(text) from public;

do $$
declare
  v_role text;
  v_table text;
begin
  foreach v_role in array array['bankpulse_writer', 'bankpulse_reader'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin', v_role);
      exception
        when duplicate_object or unique_violation then null; -- another session created it meanwhile
      end;
    end if;
  end loop;

  revoke all on all tables in schema bankpulse from bankpulse_writer, bankpulse_reader;
  alter default privileges in schema bankpulse revoke select on tables from bankpulse_writer, bankpulse_reader;

  grant usage on schema bankpulse to bankpulse_writer, bankpulse_reader;
  grant select on all tables in schema bankpulse to bankpulse_writer, bankpulse_reader;
  -- of the audit alone
  revoke select on bankpulse.checkpoint, bankpulse.checkpoint_pairs from bankpulse_writer;

  -- The past stays: Y never deletes a ledger row, detection, batch or run, and changes only these columns of them.
  grant insert, update (listed_etag) on bankpulse.chunks to bankpulse_writer;
  grant insert, update (batch_no) on bankpulse.detections to bankpulse_writer;
  grant insert, update (exported_at) on bankpulse.detection_batches to bankpulse_writer;
  grant insert, update (ended_at, pending_count, oldest_pending_at, listed_at, listing_expires_at) on bankpulse.runs
  to bankpulse_writer;
  grant update (run_id, taken_at) on bankpulse.pipeline_lease to bankpulse_writer;
  grant insert, update (detection_id) on bankpulse.taken_over_rows to bankpulse_writer;
  grant update (bucket, owner_key, claimed_at) on bankpulse.pipeline to bankpulse_writer;
  -- the totals: the triggers in 03_state keep them with the rights of whoever writes the rows
  grant update (chunks_applied, chunks_quarantined, rows_applied, rows_rejected, batches_closed)
  on bankpulse.pipeline_totals to bankpulse_writer;
  grant insert, update (detection_count) on bankpulse.pattern_totals, bankpulse.merchant_totals to bankpulse_writer;
  -- another importance file replaces these as a whole, with its rejected rows
  grant insert, delete on bankpulse.importance_file, bankpulse.customer_weights, bankpulse.rejected_rows
  to bankpulse_writer;
  -- the running state
  grant insert, update (transaction_count, total_amount) on bankpulse.customer_merchant_stats to bankpulse_writer;
  grant insert, update (transaction_count, customer_count, female_count, male_count) on bankpulse.merchant_stats
  to bankpulse_writer;
  grant insert on bankpulse.rules_history to bankpulse_writer;
  -- what the patterns remember
  for v_table in select distinct unnest(remembers) from bankpulse.patterns order by 1 loop
    execute format('grant insert, update, delete on bankpulse.%I to bankpulse_writer', v_table);
  end loop;

  grant execute on function bankpulse.refresh_views(), bankpulse.retry_quarantined_chunk(text) to bankpulse_writer;
exception
  when insufficient_privilege then
    raise warning 'the roles bankpulse_writer and bankpulse_reader were not set up: % may not create or grant them',
      current_user;
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
