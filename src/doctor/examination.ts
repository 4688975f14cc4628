import { isDoneWithin } from '../async/time-limit.js';
import { messageOf } from '../errors.js';
import { counted } from '../text/numbers.js';
import { printable } from '../text/printable.js';

/** Each line has this long; what hangs ends with it. Some ask several things, each of which has its own limit of 5 s. */
const LIMIT_MS = 12_000;
/** How long a resource may take to close. */
const CLOSE_MS = 500;

/** `note`: nothing is wrong, but something is to be known. */
type Result = 'ok' | 'note' | 'to do' | 'not tried';

/** What a line found; a failure throws instead, with what to do as its message. */
export interface Finding {
  result: Exclude<Result, 'not tried'>;
  text: string;
  /** A setting that is not set, or as by default: the table shows it only if all is to be shown. */
  isUsual?: boolean;
}

export const usual = (text: string): Finding => ({ result: 'ok', text, isUsual: true });
export const ok = (text: string): Finding => ({ result: 'ok', text });
export const note = (text: string): Finding => ({ result: 'note', text });
export const toDo = (text: string): Finding => ({ result: 'to do', text });

/**
 * The lines of the doctor's table: each is tried, whatever became of those before it, and written at once. Unless
 * `showsAll`, the table leaves out the usual settings, and has one line for all that was not tried for one reason.
 */
export class Examination {
  #thingsToDo = 0;
  #notTried = 0;
  #usual = 0;

  constructor(
    private readonly write: (text: string) => void,
    private readonly showsAll: boolean,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /** Tries something. The signal ends what hangs. @returns whether there is nothing to do about it. */
  async try(name: string, work: (signal: AbortSignal) => Promise<Finding> | Finding): Promise<boolean> {
    const limit = new AbortController();
    let finding: Finding | undefined;
    const trying = Promise.resolve()
      .then(() => work(limit.signal))
      .then(
        (found) => (finding = found),
        (error: unknown) => (finding = toDo(messageOf(error))),
      );
    await isDoneWithin(this.limitMs, trying);
    finding ??= toDo(`no answer within ${this.limitMs / 1000} s: look at what it asks, and at the network`);
    limit.abort();
    if (finding.isUsual && !this.showsAll) this.#usual++;
    else this.#line(name, finding.result, finding.text);
    if (finding.result === 'to do') this.#thingsToDo++;
    return finding.result !== 'to do';
  }

  /** Says why nothing was tried. */
  skip(why: string, ...names: string[]): void {
    const [first = '', ...others] = names;
    const told = this.showsAll || others.length === 0 ? names : [`${first} and ${others.length} more`];
    for (const name of told) this.#line(name, 'not tried', why);
    this.#notTried += names.length;
  }

  /** Says how many usual findings were left out. */
  sumUp(what: string): void {
    if (this.#usual > 0)
      this.#line(counted(this.#usual, 'other'), 'ok', `${what}; npm run doctor -- --all shows each`);
    this.#usual = 0;
  }

  heading(name: string): void {
    this.write(`${name}\n`);
  }

  /** @returns the exit code. */
  end(): number {
    const untried = this.#notTried === 0 ? '' : `, ${this.#notTried} not tried`;
    const count = this.#thingsToDo === 1 ? '1 thing to do' : `${this.#thingsToDo} things to do`;
    this.write(`\n${this.#thingsToDo === 0 ? 'nothing to do' : count}${untried}\n`);
    return this.#thingsToDo === 0 ? 0 : 1;
  }

  #line(name: string, result: Result, text: string): void {
    this.write(
      `  ${name.padEnd(33)} ${result.padEnd(9)}  ${printable(text.replace(/\s*\n\s*/g, ' ')).trim()}\n`,
    );
  }
}

/** Closes what may hang. */
export async function closeSoon(close: Promise<unknown>): Promise<void> {
  await isDoneWithin(
    CLOSE_MS,
    close.catch(() => undefined),
  );
}
