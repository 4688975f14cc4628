-- Refuses to go on in another order than the applied chunks were in: what is late, and which object is a duplicate,
-- depends on the order. The ledger tells it: chunks that were applied by name have no number.
-- In: CHUNK_ORDER. Reads: chunks. Raises BP008 (chunk_order_differs).
create or replace function bankpulse.check_chunk_order(p_chunk_order text) returns void
language plpgsql stable
set search_path = bankpulse, pg_temp
as $$
declare
  v_ledger_order text;
begin
  select case when object_number is null then 'name' else 'number' end into v_ledger_order
  from chunks where chunk_no is not null order by chunk_no desc limit 1;
  if v_ledger_order <> p_chunk_order then
    raise exception 'the chunks of this database were applied with CHUNK_ORDER=%', v_ledger_order
      using errcode = 'BP008';
  end if;
end;
$$;

comment on function bankpulse.check_chunk_order(text) is
  'Raises BP008 if the applied chunks went by another order.';
