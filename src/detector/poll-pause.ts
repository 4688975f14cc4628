/** After this time without a new object the pause between two listings grows. */
const REST_AFTER_MS = 60_000;
/** It doubles after each of these times. */
const DOUBLE_EVERY_MS = 10_000;
/** It grows up to this. */
const MOST_MS = 2_000;

/**
 * The pause between two listings: POLL_INTERVAL_MS while objects come, longer in a bucket at rest, since stores have each
 * listing paid. Times are milliseconds of a monotonic clock.
 */
export class PollPause {
  #newAt: number;

  constructor(
    private readonly intervalMs: number,
    now: number,
  ) {
    this.#newAt = now;
  }

  /** A listing has shown a new object. */
  seeNew(now: number): void {
    this.#newAt = now;
  }

  /** The pause that begins now. */
  at(now: number): number {
    const restMs = now - this.#newAt - REST_AFTER_MS;
    if (restMs < 0 || this.intervalMs >= MOST_MS) return this.intervalMs;
    return Math.min(MOST_MS, this.intervalMs * 2 ** (1 + Math.floor(restMs / DOUBLE_EVERY_MS)));
  }
}
