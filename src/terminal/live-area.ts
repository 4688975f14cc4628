import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import stringWidth from 'string-width';

const ERASE_LINE_ABOVE = '\u001B[1A\u001B[2K';

/**
 * Lines at the bottom of a terminal that are redrawn in place. All other output of this process to stdout and stderr
 * appears above them. The cursor is never hidden, so that even a killed process leaves the terminal in order.
 */
export class LiveArea {
  readonly #draw;
  readonly #restore: (() => void)[] = [];
  #lines: readonly string[] = [];
  #columns: number;
  /** Whether the last output ended with a line feed. */
  #isAtLineStart = true;

  /** `others`: streams that may write to the same terminal. */
  constructor(
    private readonly stream: WriteStream,
    others: readonly WriteStream[] = [],
  ) {
    this.#columns = stream.columns;
    const write = stream.write.bind(stream);
    // log-update gets the same stream with its original `write`, which makes no room
    this.#draw = createLogUpdate(Object.create(stream, { write: { value: write } }) as WriteStream, {
      showCursor: true,
    });
    for (const one of [stream, ...others]) if (one.isTTY) this.#makeRoomFor(one);
    this.#on(stream, 'resize', () => this.#resize(write));
    // while the process was stopped, the shell wrote below the lines
    this.#on(process, 'SIGCONT', () => this.#forget());
    this.#on(process, 'exit', () => this.stop());
    // Node prints an uncaught exception without the stream's `write`
    this.#on(process, 'uncaughtExceptionMonitor', () => this.stop());
  }

  /** Replaces the lines; each is narrower than the terminal. */
  show(lines: readonly string[]): void {
    if (lines.length === 0 && this.#lines.length > 0) this.#draw.clear();
    if (lines.length > 0 && !this.#isAtLineStart) this.stream.write('\n');
    this.#lines = lines;
    this.#redraw();
  }

  /** Removes the lines, and gives the streams their own `write` back. */
  stop(): void {
    this.show([]);
    for (const restore of this.#restore.splice(0)) restore();
  }

  #redraw(): void {
    if (this.#lines.length > 0) this.#draw(this.#lines.join('\n'));
  }

  #makeRoomFor(stream: WriteStream): void {
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its stream, and put back as it was
    const write = stream.write;
    const around = (...args: Parameters<typeof write>): boolean => {
      const text = typeof args[0] === 'string' ? args[0] : Buffer.from(args[0]).toString();
      const isShown = this.#lines.length > 0;
      if (isShown) this.#draw.clear();
      const result = write.apply(stream, args);
      if (text !== '') this.#isAtLineStart = text.endsWith('\n');
      if (!isShown) return result;
      if (!this.#isAtLineStart) write.call(stream, '\n');
      this.#isAtLineStart = true;
      this.#redraw();
      return result;
    };
    stream.write = around as typeof write;
    this.#restore.push(() => {
      stream.write = write;
    });
  }

  /** Erases the lines. A narrower terminal has wrapped them, so there are more to erase; some terminals cut them. */
  #resize(write: (text: string) => boolean): void {
    const { columns } = this.stream;
    const isCut = process.env.TERM === 'linux' || process.env.XTERM_VERSION !== undefined;
    const extra =
      columns < this.#columns && !isCut
        ? this.#lines.reduce((sum, line) => sum + Math.max(0, Math.ceil(stringWidth(line) / columns) - 1), 0)
        : 0;
    this.#columns = columns;
    if (this.#lines.length === 0) return;
    this.#draw.clear();
    write(ERASE_LINE_ABOVE.repeat(extra));
    // these lines are too wide now; `show` brings narrower ones
    this.#lines = [];
  }

  /** Leaves the lines where they are, and draws them anew below. */
  #forget(): void {
    this.#draw.done();
    this.#redraw();
  }

  #on(emitter: NodeJS.EventEmitter, name: string, listener: () => void): void {
    emitter.on(name, listener);
    this.#restore.push(() => emitter.off(name, listener));
  }
}
