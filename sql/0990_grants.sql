-- bankpulse_writer: exactly what mechanism Y needs. bankpulse_reader: to look at everything and change nothing.
-- Grant them to login roles: grant bankpulse_reader to alice. Roles belong to the whole server; where the migrating
-- role may not create them, this says so once and goes on without.

-- the one function that runs with its owner's rights
revoke execute on function bankpulse.refresh_views() from public;

do $$
declare
  v_role text;
begin
  foreach v_role in array array['bankpulse_writer', 'bankpulse_reader'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin', v_role);
      exception
        when duplicate_object or unique_violation then null; -- another migration was quicker
      end;
    end if;
  end loop;

  grant usage on schema bankpulse to bankpulse_writer, bankpulse_reader;
  grant select on all tables in schema bankpulse to bankpulse_writer, bankpulse_reader;
  grant insert, update, delete on
    bankpulse.runs,
    bankpulse.chunks,
    bankpulse.rejected_rows,
    bankpulse.importance_file,
    bankpulse.customer_weights,
    bankpulse.customer_merchant_stats,
    bankpulse.merchant_stats,
    bankpulse.merchant_count_histogram,
    bankpulse.upgrade_candidates,
    bankpulse.merchant_top_counts,
    bankpulse.detections,
    bankpulse.detection_batches
  to bankpulse_writer;
  grant update on bankpulse.pipeline_lease to bankpulse_writer;
  execute format('grant temporary on database %I to bankpulse_writer', current_database());

  -- what later files make or make anew
  alter default privileges in schema bankpulse grant select on tables to bankpulse_writer, bankpulse_reader;
  grant execute on function bankpulse.refresh_views() to bankpulse_writer;
exception
  when insufficient_privilege then
    raise warning 'the roles bankpulse_writer and bankpulse_reader were not set up: % may not create or grant them',
      current_user;
end;
$$;
