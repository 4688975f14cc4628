/** A whole number for people: 594,643. Not by `Intl`, which takes 20 ms of a start to load its tables. */
export function readable(number: number): string {
  return number.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A number of things: `1 chunk`, `2,000 chunks`. */
export function counted(count: number, noun: string): string {
  return `${readable(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A time for people: `40 s`, `12 min`, `3.5 h`. */
export function readableTime(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** How long ago that was, for people; a clock that is ahead of this one's counts as now. */
export function readableAge(time: Date, now = Date.now()): string {
  return readableTime(Math.max(0, (now - time.getTime()) / 1000));
}
