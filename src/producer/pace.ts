import { setTimeout as sleep } from 'node:timers/promises';

/** A schedule of one beat every `intervalMs`, kept by the clock: the time that work takes does not add up. */
export class Pace {
  #due = performance.now();

  constructor(private readonly intervalMs: number) {}

  /** Until the next beat is due. */
  async wait(signal: AbortSignal): Promise<void> {
    const early = this.#due - performance.now();
    if (early > 0) await sleep(early, undefined, { signal });
  }

  /** This is the beat. One that comes late by more than half the interval begins the schedule anew: no bursts. */
  beat(): void {
    const now = performance.now();
    this.#due = (now - this.#due > this.intervalMs / 2 ? now : this.#due) + this.intervalMs;
  }
}
