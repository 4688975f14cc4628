-- Keeps the totals of detections, by pattern and by merchant.
-- Reads: the rows that the statement added or deleted. Writes: pattern_totals, merchant_totals.
create or replace function bankpulse.count_detections() returns trigger
language plpgsql
set search_path = bankpulse, pg_temp
as $$
declare
  v_sign constant integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
  -- most chunks find nothing
  if not exists (select from changed_rows) then
    return null;
  end if;

  insert into pattern_totals as totals (pattern_id, detection_count)
  select pattern_id, v_sign * count(*) from changed_rows group by pattern_id
  on conflict (pattern_id) do update set detection_count = totals.detection_count + excluded.detection_count;

  insert into merchant_totals as totals (merchant_id, detection_count)
  select merchant_id, v_sign * count(*) from changed_rows group by merchant_id
  on conflict (merchant_id) do update set detection_count = totals.detection_count + excluded.detection_count;
  return null;
end;
$$;

comment on function bankpulse.count_detections() is 'Trigger: keeps the totals of detections, by pattern and by merchant.';

create or replace trigger count_detections after insert on bankpulse.detections
referencing new table as changed_rows
for each statement execute function bankpulse.count_detections();
create or replace trigger count_deleted_detections after delete on bankpulse.detections
referencing old table as changed_rows
for each statement execute function bankpulse.count_detections();
