import { quantile } from 'simple-statistics';

/** The middle of some measurements, and how far they go up. */
export interface Spread {
  median: number;
  p95: number;
  p99?: number;
}

/** undefined without measurements. */
export function median(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : quantile([...values], 0.5);
}

/** undefined without measurements. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: quantile([...values], 0.5), p95: quantile([...values], 0.95) };
}

/** As `spread`, with p99: for what people wait for. */
export function longSpread(values: readonly number[]): Spread | undefined {
  const short = spread(values);
  return short && { ...short, p99: quantile([...values], 0.99) };
}

/** undefined if either is. */
export function ratio(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by;
}

/** The median of some as a multiple of the median of others; undefined if there are none of either. */
export function ratioOfMedians(some: readonly number[], others: readonly number[]): number | undefined {
  return ratio(median(some), median(others));
}
