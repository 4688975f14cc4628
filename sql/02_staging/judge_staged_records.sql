-- Judges records that came the careful way: accepted ones become staged rows, the others rejected rows with a reason.
-- In: the key or file name they belong to. Reads: pg_temp.staged_records. Writes: pg_temp.staged_rows, rejected_rows.
-- Out: how many were rejected.
create or replace function bankpulse.judge_staged_records(p_object_key text) returns bigint
language plpgsql volatile
set search_path = bankpulse, pg_temp
as $$
declare
  v_rejected_count bigint;
begin
  -- most chunks come the plain way
  if not exists (select from pg_temp.staged_records) then
    return 0;
  end if;

  -- materialized: each value is looked at several times below
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
  judged_records as (
    select
      cleaned_records.*,
      case
        when problem is not null then problem
        when customer_id = '' then 'the customer is empty'
        when merchant_id = '' then 'the merchant is empty'
        when amount is null then 'the amount is not a valid number'
        -- the primary keys hold both names, and PostgreSQL has a limit for what an index entry holds
        when octet_length(customer_id) > 1000 then 'the customer is longer than 1,000 bytes'
        when octet_length(merchant_id) > 1000 then 'the merchant is longer than 1,000 bytes'
      end as reason
    from cleaned_records
  ),
  accepted_records as (
    insert into pg_temp.staged_rows (customer_id, gender, merchant_id, amount)
    select customer_id, gender, merchant_id, amount
    from judged_records
    where reason is null
    order by line_number
  ),
  rejected_records as (
    insert into rejected_rows (object_key, line_number, line, reason)
    select p_object_key, line_number, line, reason
    from judged_records
    where reason is not null
    returning 1
  )
  select count(*) into v_rejected_count from rejected_records;
  return v_rejected_count;
end;
$$;

comment on function bankpulse.judge_staged_records(text) is
  'Sorts staged records into staged rows and rejected rows; returns how many were rejected.';
