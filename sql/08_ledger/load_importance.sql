-- Replaces the weights by those of the staged importance file: per merchant and customer the mean over all its rows.
-- In: the caller's run, the file's base name and sha256. Reads: staged_records, staged_rows.
-- Writes: customer_weights, importance_file, rejected_rows. Out: the importance_file row. Raises BP001 (lease_lost).
create or replace function bankpulse.load_importance(p_run_id bigint, p_file_name text, p_fingerprint text)
returns bankpulse.importance_file
language plpgsql volatile
as $$
declare
  v_file bankpulse.importance_file;
begin
  perform bankpulse.use_staging();
  perform hold_lease(p_run_id);
  delete from rejected_rows
  where object_key = p_file_name or object_key in (select file_name from importance_file);
  delete from importance_file;
  delete from customer_weights;

  v_file.is_only_row := true;
  v_file.file_name := p_file_name;
  v_file.fingerprint := p_fingerprint;
  v_file.rejected_count := accept_staged_records(p_file_name);

  insert into customer_weights (merchant_id, customer_id, average_weight)
  select merchant_id, customer_id, exact_average(sum(amount), count(*))
  from staged_rows
  group by merchant_id, customer_id
  order by merchant_id, customer_id;

  v_file.row_count := empty_staged_rows();
  v_file.loaded_at := clock_timestamp();
  insert into importance_file select v_file.*;
  return v_file;
end;
$$;

comment on function bankpulse.load_importance(bigint, text, text) is
  'Replaces customer_weights by the staged importance file. Returns its importance_file row.';
