import { messageOf } from '../errors.js';
import { pipelineEvents, type Service } from '../events.js';
import type { Logger } from '../log.js';

/** How many callers are in trouble, by `what`: several at once are one piece of news, not several. */
const callersInTrouble = new Map<string, number>();

/**
 * What one caller has to say of failed attempts to use `what` (a noun: `'the object store'`): that it is in trouble,
 * once, as a warning, and once more when it is over.
 */
export class Trouble {
  #since: number | undefined;

  constructor(
    private readonly what: string,
    private readonly log: Logger,
  ) {}

  /** What `the object store` is called in events. */
  get #service(): Service {
    return this.what.replace(/^the /, '').replaceAll(' ', '_');
  }

  /** An attempt failed; there will be another. */
  retry(error: unknown): void {
    pipelineEvents.publish('retried', this.#service);
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    const others = callersInTrouble.get(this.what) ?? 0;
    callersInTrouble.set(this.what, others + 1);
    if (others > 0) return;
    pipelineEvents.publish('troubleBegan', this.#service);
    this.log.warn({ reason: messageOf(error) }, `${this.what} is in trouble; trying again until it works`);
  }

  /** There will be no other attempt: it works, or this caller has given up. Does nothing if there was no trouble. */
  end({ works }: { works: boolean }): void {
    if (this.#since === undefined) return;
    const ms = Math.round(performance.now() - this.#since);
    this.#since = undefined;
    const others = callersInTrouble.get(this.what)! - 1;
    callersInTrouble.set(this.what, others);
    if (others > 0) return;
    pipelineEvents.publish('troubleEnded', this.#service);
    if (works) this.log.info({ ms }, `${this.what} works again`);
  }
}
