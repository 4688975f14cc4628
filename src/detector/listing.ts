import { pipelineEvents } from '../events.js';
import type { Logger } from '../log.js';
import type { ListedObject, ObjectStore } from '../object-store.js';
import { isTransientStoreError } from '../object-store-errors.js';
import { retryForever } from '../retry.js';
import type { SqlFunctions } from '../sql-functions.js';
import type { Backlog, PendingObject } from './backlog.js';

/**
 * The number in a key behind which those of greater numbers sort, as a rule: it has leading zeros, or as many digits
 * as X's have.
 */
function sortedNumber(key: string): bigint | undefined {
  const digits = /(?:^|\D)(0\d+|\d{8,})\.csv(?:\.gz)?$/i.exec(key)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}

/** Even an unchanged listing is noted in the database this often, so that one sees that Y looks. */
const RECORD_MS = 5000;

export interface ListingOptions {
  store: ObjectStore;
  functions: SqlFunctions;
  backlog: Backlog;
  runId: number;
  settings: { CHUNKS_PREFIX: string; POLL_INTERVAL_MS: number; FULL_LIST_MS: number };
  log: Logger;
  signal: AbortSignal;
}

/**
 * Finds what is new under the prefix, by asking the ledger, and adds it to the backlog. A full listing sees every
 * key: at the start, while a gap is open, and every FULL_LIST_MS. In between, one page behind the last key below which
 * nothing is missing is enough to see what mechanism X adds.
 */
export class Listing {
  /** When the next one is due, on the clock of `performance.now()`. */
  dueAt = -Infinity;
  /** When the last full one ended, on the same clock. */
  fullAt = -Infinity;
  #fullDueAt = -Infinity;
  /** The last key of numbers that follow one another: what is still missing sorts behind it. */
  #cursor: { key: string; number: bigint } | undefined;
  readonly #reported = new Set<string>();
  #recorded = { text: '', at: -Infinity };

  constructor(private readonly options: ListingOptions) {}

  /** Lists what is due now. */
  async poll(): Promise<void> {
    const { backlog } = this.options;
    if (backlog.isGapOpen || performance.now() >= this.#fullDueAt) return this.full();
    const startedAt = performance.now();
    const lastKey = await this.#page(this.#cursor?.key);
    // a hole so far behind that a page does not reach its end is left to the full listings
    if (lastKey !== undefined)
      this.#cursor = { key: lastKey, number: sortedNumber(lastKey) ?? this.#cursor?.number ?? 0n };
    await this.#finish(startedAt);
  }

  /** Lists all pages. */
  async full(): Promise<void> {
    let startAfter: string | undefined;
    do startAfter = await this.#page(startAfter);
    while (startAfter !== undefined);
    this.fullAt = performance.now();
    this.#fullDueAt = this.fullAt + this.options.settings.FULL_LIST_MS;
    // many pages may take longer than the interval: it counts from their end, so that there is a rest
    await this.#finish(this.fullAt);
  }

  async #finish(countedFrom: number): Promise<void> {
    await this.#record();
    this.dueAt = countedFrom + this.options.settings.POLL_INTERVAL_MS;
  }

  /** Returns the key after which the next page begins; undefined after the last page. */
  async #page(startAfter: string | undefined): Promise<string | undefined> {
    const { store, settings, log, signal } = this.options;
    const { objects, isLast } = await retryForever(
      'the object store',
      log,
      () => store.listPage(settings.CHUNKS_PREFIX, startAfter, signal),
      { signal, isTransient: isTransientStoreError },
    );
    if (objects.length > 0) await this.#take(objects);
    return isLast ? undefined : objects.at(-1)?.key;
  }

  async #take(objects: readonly ListedObject[]): Promise<void> {
    const byKey = new Map(objects.map((object) => [object.key, object]));
    const unseen = await this.options.functions.unseenObjects(
      objects.map(({ key }) => key),
      objects.map(({ etag }) => etag),
    );
    const added: PendingObject[] = [];
    for (const { key, number, status } of unseen) {
      const object = byKey.get(key);
      if (status === 'new' && object && number !== null) added.push({ ...object, number });
      else if (status === 'unnumbered') this.#report(key, 'ignored: its name has no usable number');
      else this.#report(key, 'was replaced after it was applied; it is not applied again');
    }
    this.options.backlog.add(added);
    const unnumbered = new Set(unseen.filter(({ status }) => status === 'unnumbered').map(({ key }) => key));
    for (const { key } of objects) if (!unnumbered.has(key)) this.#follow(key);
  }

  /** Moves the cursor on if this is the key of the next number. */
  #follow(key: string): void {
    const number = sortedNumber(key);
    if (number === undefined) return;
    if (this.#cursor === undefined || number === this.#cursor.number + 1n) this.#cursor = { key, number };
  }

  #report(key: string, what: string): void {
    const report = `${key}\n${what}`;
    if (this.#reported.has(report)) return;
    this.#reported.add(report);
    this.options.log.warn({ key }, `object ${what}`);
  }

  /** Notes what waits, for pipeline_status. */
  async #record(): Promise<void> {
    const { backlog, functions, runId } = this.options;
    const oldestAt = backlog.oldestAt;
    pipelineEvents.publish('listed', { pendingCount: backlog.size, oldestPendingAt: oldestAt });
    const text = `${backlog.size} ${oldestAt?.getTime()}`;
    const now = performance.now();
    if (text === this.#recorded.text && now < this.#recorded.at + RECORD_MS) return;
    await functions.recordListing(runId, backlog.size, oldestAt);
    this.#recorded = { text, at: now };
  }
}
