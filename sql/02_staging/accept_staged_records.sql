-- Sorts the records that came the careful way: a valid record becomes a staged row, any other a rejected row with the
-- reason.
-- In: the object key or file name of the records. Reads: pg_temp.staged_records.
-- Writes: staged_rows, rejected_rows. Out: how many records were rejected.
create or replace function bankpulse.accept_staged_records(p_object_key text) returns bigint
language plpgsql volatile
as $$
declare
  v_rejected_count bigint;
begin
  -- most chunks come the plain way and have no staged records
  if not exists (select from pg_temp.staged_records) then
    return 0;
  end if;

  -- materialized, because the conditions below read each value several times
  with cleaned_records as materialized (
    select
      line_number,
      problem,
      line,
      clean_value(customer_id) as customer_id,
      clean_value(gender) as gender,
      clean_value(merchant_id) as merchant_id,
      parse_amount(clean_value(amount)) as amount
    from pg_temp.staged_records
  ),
  checked_records as (
    select
      cleaned_records.*,
      case
        when problem is not null then problem
        when customer_id = '' then 'the customer is empty'
        when merchant_id = '' then 'the merchant is empty'
        when amount is null then 'the amount is not a valid number'
        -- the primary keys hold both names, and PostgreSQL limits the size of an index entry
        when octet_length(customer_id) > 1000 then 'the customer is longer than 1,000 bytes'
        when octet_length(merchant_id) > 1000 then 'the merchant is longer than 1,000 bytes'
      end as reason
    from cleaned_records
  ),
  accepted_records as (
    insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
    select customer_id, placed_gender(line_number, gender), merchant_id, amount
    from checked_records
    where reason is null
  ),
  rejected_records as (
    insert into rejected_rows (object_key, line_number, line, reason)
    select p_object_key, line_number, line, reason
    from checked_records
    where reason is not null
    returning 1
  )
  select count(*) into v_rejected_count from rejected_records;
  return v_rejected_count;
end;
$$;

comment on function bankpulse.accept_staged_records(text) is
  'Sorts the staged records into staged rows and rejected rows; returns how many were rejected.';
