-- Says how many rows are staged; nothing reads them afterwards. Temporary ones are deleted by the commit, those of a lane
-- here.
-- Reads: staged_rows. Writes: staged_rows, if they are of a lane. Out: the number of rows.
create or replace function bankpulse.empty_staged_rows() returns bigint
language plpgsql volatile
as $$
declare
  v_row_count bigint;
begin
  if bankpulse.staging_lane() is null then
    return (select count(*) from staged_rows);
  end if;
  delete from staged_rows;
  get diagnostics v_row_count = row_count;
  return v_row_count;
end;
$$;

comment on function bankpulse.empty_staged_rows() is 'How many rows are staged; deletes them if they are of a lane.';
