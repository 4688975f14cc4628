import type { WriteStream } from 'node:tty';
import { createLogUpdate } from 'log-update';
import stringWidth from 'string-width';

const ERASE_LINE_ABOVE = '\u001B[1A\u001B[2K';

/**
 * Some lines at the foot of a terminal that are drawn over and over, below whatever else this process writes to it.
 * Everything written to stdout and stderr meanwhile goes above them, so nothing is garbled, whoever wrote it. The
 * cursor is never hidden: even a process that is killed leaves the terminal as it should be.
 */
export class LiveArea {
  readonly #draw;
  readonly #restore: (() => void)[] = [];
  #lines: readonly string[] = [];
  #columns: number;
  /** Whether what was written ended with a whole line. */
  #isAtLineStart = true;

  /** `others`: streams that may end on the same terminal. */
  constructor(
    private readonly stream: WriteStream,
    others: readonly WriteStream[] = [],
  ) {
    this.#columns = stream.columns;
    const write = stream.write.bind(stream);
    // the same stream, but what log-update writes goes straight through
    this.#draw = createLogUpdate(Object.create(stream, { write: { value: write } }) as WriteStream, {
      showCursor: true,
    });
    for (const one of [stream, ...others]) if (one.isTTY) this.#makeRoomFor(one);
    this.#on(stream, 'resize', () => this.#resize(write));
    // a shell wrote below while the process was stopped
    this.#on(process, 'SIGCONT', () => this.#forget());
    this.#on(process, 'exit', () => this.stop());
    // Node prints such an error by ways of its own
    this.#on(process, 'uncaughtExceptionMonitor', () => this.stop());
  }

  /** Shows these lines instead of those before; each is narrower than the terminal. */
  show(lines: readonly string[]): void {
    if (lines.length === 0 && this.#lines.length > 0) this.#draw.clear();
    if (lines.length > 0 && !this.#isAtLineStart) this.stream.write('\n');
    this.#lines = lines;
    this.#redraw();
  }

  /** Takes the lines away, for good. */
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

  /** A narrower terminal breaks lines in two, and there are more to take away; but some just cut them. */
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
    // what was drawn is too wide now; what comes next is not
    this.#lines = [];
  }

  #forget(): void {
    this.#draw.done();
    this.#redraw();
  }

  #on(emitter: NodeJS.EventEmitter, name: string, listener: () => void): void {
    emitter.on(name, listener);
    this.#restore.push(() => emitter.off(name, listener));
  }
}
