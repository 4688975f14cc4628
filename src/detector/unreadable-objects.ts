import { SingleFlight } from '../async/single-flight.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { isAnotherReadable } from '../s3/another-object.js';
import type { ObjectStore } from '../s3/object-store.js';
import type { PatientStore } from '../s3/patient-store.js';
import { UnreadableObject, isTransientStoreError } from '../s3/store-errors.js';
import type { Backlog, PendingObject } from './backlog.js';

/** An object on which the store fails for so long, while it hands out others, is held. */
const STUCK_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

interface Held {
  object: PendingObject;
  reason: string;
  /** How often it was asked for. */
  tries: number;
  /** When it is asked for again; undefined while it waits in the backlog as any other. */
  dueAt: number | undefined;
}

export interface UnreadableOptions {
  store: PatientStore;
  backlog: Backlog;
  chunksPrefix: string;
  log: Logger;
  signal: AbortSignal;
  /** Default: STUCK_MS. */
  stuckMs?: number | undefined;
}

/**
 * The objects that the store lists and does not hand out: archived ones, ones that are encrypted with a key that BankPulse
 * does not have, ones that it may not read. The log names each once. Mechanism Y then holds it back, so that the backlog
 * waits for it as for a gap, and passes it over. Y asks for it again with longer and longer pauses, and applies it once the
 * store hands it out. What concerns every object is an error of the store, and is not held.
 */
export class UnreadableObjects {
  readonly #held = new Map<string, Held>();
  readonly #asking = new SingleFlight(() => this.#askAgain());

  constructor(private readonly options: UnreadableOptions) {}

  /** The keys of those that are held, and what is wrong with each. */
  get reasons(): { key: string; reason: string }[] {
    return [...this.#held.values()].map(({ object, reason }) => ({ key: object.key, reason }));
  }

  /**
   * Reads an object: retries what may pass by itself.
   * @throws UnreadableObject also if the store fails on this object alone for too long.
   */
  read<Result>(key: string, work: (store: ObjectStore) => Promise<Result>): Promise<Result> {
    const { store, chunksPrefix, signal, stuckMs = STUCK_MS } = this.options;
    // while this is tried again, no other chunk is applied: one that was held before gets one try
    const patienceMs = this.#held.has(key) ? 0 : stuckMs;
    let failsSince: number | undefined;
    return store.retry(async (direct) => {
      try {
        return await work(direct);
      } catch (error) {
        if (!isTransientStoreError(error)) throw error;
        failsSince ??= performance.now();
        const isStuck = performance.now() - failsSince >= patienceMs;
        if (!isStuck || !(await isAnotherReadable(direct, chunksPrefix, key, signal))) throw error;
      }
      // the whole store may have failed up to now: with the others, this object is there again
      return work(direct).catch((error: unknown) => {
        throw isTransientStoreError(error) ? new UnreadableObject(key, error) : error;
      });
    });
  }

  /** Holds the claimed object if the error is about it alone. @returns false for any other error. */
  async hold(object: PendingObject, error: unknown): Promise<boolean> {
    if (!(error instanceof UnreadableObject)) return false;
    const { store, backlog, chunksPrefix, log, signal } = this.options;
    const { key, cause, reason } = error;
    // a refusal that may concern every object is about this one only if the store hands out another; before `read` makes
    // an UnreadableObject of a transient error, it has seen that already
    const mustAsk = error.mayConcernAll && !isTransientStoreError(cause);
    if (mustAsk && !(await store.once((direct) => isAnotherReadable(direct, chunksPrefix, key, signal))))
      return false;
    const now = performance.now();
    const held = this.#held.get(key) ?? { object, reason, tries: 0, dueAt: undefined };
    if (held.tries === 0 || held.reason !== reason) {
      log.warn({ key, reason }, 'object cannot be read; it waits, and is tried again');
    }
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** held.tries);
    this.#held.set(key, { ...held, object, reason, tries: held.tries + 1, dueAt: now + pause });
    backlog.hold(object, now);
    return true;
  }

  /** Asks for those again whose pause is over, beside the caller's work. */
  askAgain(now: number): void {
    if ([...this.#held.values()].some(({ dueAt = Infinity }) => dueAt <= now)) this.#asking.start();
  }

  /** Says which of these objects, which are passed over, are held. @returns the others. */
  reportPassed(keys: readonly string[]): string[] {
    for (const key of keys.filter((key) => this.#held.has(key))) {
      const { reason } = this.#held.get(key)!;
      this.options.log.warn(
        { key, reason },
        'object passed over, since it cannot be read; it is applied late, once it can',
      );
    }
    return keys.filter((key) => !this.#held.has(key));
  }

  /** The object is in the ledger. */
  markDone(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    this.options.log.info({ key, tries: held.tries }, 'object can be read again');
  }

  async #askAgain(): Promise<void> {
    for (const [key, held] of this.#held) {
      if (held.dueAt === undefined || held.dueAt > performance.now()) continue;
      if (this.options.signal.aborted) return;
      await this.#ask(key, held);
    }
  }

  async #ask(key: string, held: Held): Promise<void> {
    const { store, backlog, log, signal } = this.options;
    try {
      if ((await store.once((direct) => direct.peek(key, signal))) !== undefined) {
        held.dueAt = undefined;
        backlog.release(key);
      } else {
        this.#held.delete(key);
        backlog.drop(key); // it is gone; a listing may show it again
      }
    } catch (error) {
      // what is wrong with the store as a whole shows in the listings
      log.debug({ key, reason: messageOf(error) }, 'object still cannot be read');
      held.dueAt = performance.now() + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** held.tries++);
    }
  }
}
