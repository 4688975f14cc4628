const WINDOW_MS = 10_000;
/** A rate over a shorter time says little. */
const MIN_MS = 1000;

/** The amount per second, over the last ten seconds. Times are milliseconds of a monotonic clock. */
export class Rate {
  #events: { amount: number; at: number }[] = [];
  #firstAt: number | undefined;

  add(amount: number, now: number): void {
    this.#firstAt ??= now;
    this.#events.push({ amount, at: now });
  }

  perSecond(now: number): number {
    this.#events = this.#events.filter(({ at }) => at > now - WINDOW_MS);
    const elapsed = Math.max(MIN_MS, Math.min(WINDOW_MS, now - (this.#firstAt ?? now)));
    return this.#events.reduce((sum, { amount }) => sum + amount, 0) / (elapsed / 1000);
  }
}
