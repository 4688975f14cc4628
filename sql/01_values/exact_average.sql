-- total / count, rounded half away from zero to 10 decimals. Division of numerics rounds once already, so
-- round(total / count, 10) could round twice; here whole numbers are divided, which is exact.
-- In: a sum and how many were added (at least 1). Out: their mean. Reads no table.
create or replace function bankpulse.exact_average(p_total numeric, p_count bigint) returns numeric
language sql immutable parallel safe
return sign(p_total) * div(abs(p_total) * 20000000000 + p_count, 2 * p_count::numeric) * 0.0000000001;

comment on function bankpulse.exact_average(numeric, bigint) is
  'total / count, rounded half away from zero to 10 decimals, without rounding twice.';
