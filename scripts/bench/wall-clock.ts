/** Milliseconds since 1970 with fractions: one clock for all processes of a machine. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now();
}
