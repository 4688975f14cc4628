import { note, ok, toDo, type Finding } from './examination.js';

/** A difference that shows in the lag, which compares the store's times with the database's. */
const NOTED_MS = 2000;
/** S3 refuses requests whose time differs by 15 minutes. */
const REFUSED_MS = 5 * 60_000;

/** A clock against this machine's, read between two moments. `precisionMs`: of the other clock. */
export function clockFinding(
  whose: string,
  time: number,
  before: number,
  after: number,
  precisionMs = 0,
): Finding {
  const behind = before - (time + precisionMs);
  const ahead = time - after;
  const off = Math.max(0, behind, ahead);
  const text = `${whose} is ${(off / 1000).toFixed(1)} s ${ahead > behind ? 'ahead of' : 'behind'} this machine`;
  if (off >= REFUSED_MS) return toDo(`${text}: set the clocks (NTP); stores refuse requests of another time`);
  if (off >= NOTED_MS) return note(`${text}: set the clocks (NTP), or times and lag will mislead`);
  return ok(off < 100 ? `as this machine's` : text);
}
