import { styleText } from 'node:util';
import type { Logger } from '../log.js';
import { counted, readable, readableTime } from '../text/numbers.js';
import { progressBar } from './frame.js';
import { LiveArea } from './live-area.js';
import { isLive } from './terminal.js';

/** How often the log says how far the replay is, where there is no terminal. */
const TELL_EVERY_MS = 2000;

/** The time left is that of the last chunks: earlier ones met a smaller state. */
const PACE_CHUNKS = 20;

/** Shows how far a replay of the ledger is: a bar on a terminal, otherwise a line of the log now and then. */
export class ReplayProgress {
  readonly #area = isLive(process.stderr, process.env)
    ? new LiveArea(process.stderr, [process.stdout])
    : undefined;
  #toldAt = performance.now();
  /** When the last chunks were done. */
  readonly #doneAt = [performance.now()];

  constructor(private readonly log: Logger) {}

  /** After each chunk. */
  readonly show = (done: number, of: number): void => {
    const left = readableTime(this.#secondsLeft(of - done));
    if (this.#area) {
      const bar = progressBar(done / of);
      const text = process.stderr.hasColors() ? styleText('cyan', bar) : bar;
      this.#area.show([`${text}  ${readable(done)} of ${counted(of, 'chunk')}, ${left} left`]);
    } else if (performance.now() - this.#toldAt >= TELL_EVERY_MS || done === of) {
      this.log.info({ chunks: done, of, left }, 'chunks replayed');
      this.#toldAt = performance.now();
    }
  };

  #secondsLeft(chunks: number): number {
    this.#doneAt.push(performance.now());
    if (this.#doneAt.length > PACE_CHUNKS + 1) this.#doneAt.shift();
    const [first, last] = [this.#doneAt[0]!, this.#doneAt.at(-1)!];
    return ((last - first) / 1000 / (this.#doneAt.length - 1)) * chunks;
  }

  close(): void {
    this.#area?.stop();
  }
}
