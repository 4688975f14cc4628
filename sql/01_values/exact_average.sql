-- total / count, rounded half away from zero to 10 decimals. A division of numerics rounds its result, so
-- round(total / count, 10) could round twice; this function divides whole numbers, which is exact.
-- In: a sum and the number of its terms (at least 1). Out: their mean. Reads no table.
create or replace function bankpulse.exact_average(p_total numeric, p_count bigint) returns numeric
language sql immutable parallel safe
return sign(p_total) * div(abs(p_total) * 20000000000 + p_count, 2 * p_count::numeric) * 0.0000000001;

comment on function bankpulse.exact_average(numeric, bigint) is
  'total / count, rounded half away from zero to 10 decimals, without rounding twice.';
