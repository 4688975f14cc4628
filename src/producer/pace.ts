import { setTimeout as sleep } from 'node:timers/promises';

/** A schedule of one beat every `intervalMs` by the clock: the time that the work between two beats takes adds no delay. */
export class Pace {
  #due = performance.now();

  constructor(private readonly intervalMs: number) {}

  /** Waits until the next beat is due. */
  async wait(signal: AbortSignal): Promise<void> {
    const early = this.#due - performance.now();
    if (early > 0) await sleep(early, undefined, { signal });
  }

  /** Marks the beat. If it is late by more than half the interval, the schedule begins again: no burst follows. */
  beat(): void {
    const now = performance.now();
    this.#due = (now - this.#due > this.intervalMs / 2 ? now : this.#due) + this.intervalMs;
  }
}
