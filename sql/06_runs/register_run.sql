-- Records a start of mechanism Y. Writes: runs. Out: the run's number.
create or replace function bankpulse.register_run() returns bigint
language sql volatile
begin atomic
  insert into bankpulse.runs default values returning run_id;
end;

comment on function bankpulse.register_run() is 'Records a start of mechanism Y; returns the run''s number.';
