import { WINDOWS, type Window } from './windows.js';

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** What was done to the processes, and how long they took over it. */
export class Tally {
  /** Kills of Y by the window they fell into. */
  readonly kills: Record<Window, number> = Object.fromEntries(WINDOWS.map((window) => [window, 0])) as Record<
    Window,
    number
  >;
  readonly #counts = new Map<string, number>();
  readonly #times = new Map<string, number[]>();

  get killCount(): number {
    return Object.values(this.kills).reduce((sum, count) => sum + count, 0);
  }

  count(fault: string): void {
    this.#counts.set(fault, (this.#counts.get(fault) ?? 0) + 1);
  }

  /** What took so many milliseconds. */
  time(what: string, ms: number): void {
    this.#times.set(what, [...(this.#times.get(what) ?? []), ms]);
  }

  get lines(): string[] {
    const windows = WINDOWS.map((window) => `${window} ${this.kills[window]}`).join(', ');
    const line = (name: string, text: string) => `${name.padEnd(44)} ${text}`;
    return [
      line('SIGKILL of Y', `${this.killCount} (${windows})`),
      ...[...this.#counts].sort().map(([fault, count]) => line(fault, String(count))),
      ...[...this.#times].sort().map(([what, ms]) => {
        const [middle, most] = [median(ms)!, Math.max(...ms)].map((value) => (value / 1000).toFixed(2));
        return line(what, `${ms.length} times: median ${middle} s, most ${most} s`);
      }),
    ];
  }
}
