-- Ends the work of a chunk with its staging tables. Temporary ones are emptied by the commit, those of a lane here.
-- Writes: touched_pairs and merchant_additions, if they are of a lane.
create or replace function bankpulse.empty_touched() returns void
language plpgsql volatile
as $$
begin
  if bankpulse.staging_lane() is not null then
    delete from touched_pairs;
    delete from merchant_additions;
  end if;
end;
$$;

comment on function bankpulse.empty_touched() is 'Empties touched_pairs and merchant_additions, if they are of a lane.';
