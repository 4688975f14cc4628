import type { Kysely } from 'kysely';
import type { ChunkOrder } from '../config.js';
import { messageOf } from '../errors.js';
import { pipelineEvents } from '../events.js';
import type { Logger } from '../log.js';
import type { ListedObject } from '../s3/object-store.js';
import type { PatientStore } from '../s3/patient-store.js';
import type { SqlFunctions } from '../database/functions.js';
import { readStatus } from '../database/status.js';
import type { Views } from '../database/views.js';
import type { Backlog, PendingObject } from './backlog.js';
import type { ReplacedObjects } from './replaced-objects.js';
import { PollPause } from './poll-pause.js';
import { isChunkKey } from '../s3/chunk-names.js';
import { NameCursor, NumberCursor, type PollCursor } from './poll-cursor.js';

/** Even an unchanged listing is recorded in the database this often, which shows that Y still lists. */
const RECORD_MS = 5000;
/** A listing says what waits for so long, and two polls more: the one before it may have been recorded 5 s earlier. */
const VALID_MS = 10_000;

export interface ListingOptions {
  store: PatientStore;
  functions: SqlFunctions;
  views: Kysely<Views>;
  backlog: Backlog;
  replaced: ReplacedObjects;
  runId: number;
  settings: {
    CHUNKS_PREFIX: string;
    CHUNK_ORDER: ChunkOrder;
    POLL_INTERVAL_MS: number;
    FULL_LIST_MS: number;
  };
  log: Logger;
  /** Default: one that begins now. */
  pause?: PollPause | undefined;
}

/** A full listing that has begun. */
interface Sweep {
  /** On the clock of `performance.now()`. */
  startedAt: number;
  /** The last key listed; undefined before the first page. */
  startAfter: string | undefined;
}

/**
 * Lists the objects under the prefix and adds those that the ledger does not have to the backlog. A full listing reads
 * every page: at the start, while a gap is open, and every FULL_LIST_MS. Between full listings, one page from the cursor
 * on is enough to see the chunks that mechanism X adds. The first full listing runs in one go. Every later one reads
 * one page per poll, so that new chunks are seen meanwhile, however many pages there are.
 */
export class Listing {
  /** When the next poll is due, on the clock of `performance.now()`. */
  dueAt = -Infinity;
  /** When the last full listing began, on the same clock: it has seen every object put before. */
  fullAt = -Infinity;
  #fullDueAt = -Infinity;
  /** When the end of the bucket was last listed, on the same clock: X's chunks put before have been seen. */
  endSeenAt = -Infinity;
  #endDueAt = -Infinity;
  readonly #pause: PollPause;
  #sweep: Sweep | undefined;
  readonly #cursor: PollCursor;
  readonly #reported = new Set<string>();
  #recorded = { text: '', at: -Infinity };
  #totalsReadAt = -Infinity;
  /** Until a chunk is listed: the first object that is none. */
  #foreignKey: string | undefined;
  #hasChunks = false;

  constructor(private readonly options: ListingOptions) {
    const { CHUNK_ORDER, CHUNKS_PREFIX, POLL_INTERVAL_MS } = options.settings;
    this.#pause = options.pause ?? new PollPause(POLL_INTERVAL_MS, performance.now());
    this.#cursor = CHUNK_ORDER === 'name' ? new NameCursor() : new NumberCursor(CHUNKS_PREFIX);
  }

  /** Lists what is due: a page of a full listing, the page from the cursor on, or both. */
  async poll(): Promise<void> {
    if (this.fullAt === -Infinity) return this.full();
    const startedAt = performance.now();
    if (this.options.backlog.isGapOpen || startedAt >= this.#fullDueAt)
      this.#sweep ??= { startedAt, startAfter: undefined };
    if (this.#sweep) await this.#continueSweep(this.#sweep);
    if (performance.now() >= this.#endDueAt) await this.#listEnd();
    await this.#finish();
  }

  /** Lists all pages. */
  async full(): Promise<void> {
    this.#sweep = { startedAt: performance.now(), startAfter: undefined };
    while (this.#sweep) {
      await this.#continueSweep(this.#sweep);
      await this.#record(); // of many pages, too, it is known that Y lists
    }
    await this.#finish();
  }

  /** Lists the next page of a full listing. */
  async #continueSweep(sweep: Sweep): Promise<void> {
    const startedAt = performance.now();
    sweep.startAfter = await this.#page(sweep.startAfter);
    if (sweep.startAfter !== undefined) return;
    this.#sweep = undefined;
    this.#reportForeign();
    this.#cursor.resumeAfter(undefined);
    this.fullAt = sweep.startedAt;
    this.endSeenAt = startedAt;
    // many pages may take longer than an interval, so the intervals count from the end of the last page
    const endedAt = performance.now();
    this.#fullDueAt = endedAt + this.options.settings.FULL_LIST_MS;
    this.#endDueAt = endedAt + this.#pause.at(endedAt);
  }

  /** Lists the page from the cursor on. */
  async #listEnd(): Promise<void> {
    const startedAt = performance.now();
    const lastKey = await this.#page(this.#cursor.startAfter);
    this.#cursor.resumeAfter(lastKey);
    if (lastKey === undefined) this.endSeenAt = startedAt;
    this.#endDueAt = startedAt + this.#pause.at(startedAt);
  }

  async #finish(): Promise<void> {
    await this.#record();
    this.dueAt = this.#sweep ? performance.now() : this.#endDueAt;
  }

  /** Returns the key after which the next page begins; undefined after the last page. */
  async #page(startAfter: string | undefined): Promise<string | undefined> {
    const { store, settings } = this.options;
    const { objects, isLast } = await store.listPage(settings.CHUNKS_PREFIX, startAfter);
    if (objects.length > 0) await this.#addUnseen(objects, isLast);
    return isLast ? undefined : objects.at(-1)?.key;
  }

  /** Adds the objects of a page that the ledger does not have to the backlog, and moves the cursor. */
  async #addUnseen(objects: readonly ListedObject[], isLast: boolean): Promise<void> {
    const byKey = new Map(objects.map((object) => [object.key, object]));
    const unseen = await this.options.functions.unseenObjects(
      objects.map(({ key }) => key),
      objects.map(({ etag }) => etag),
      this.options.settings.CHUNK_ORDER,
    );
    const having = (wanted: string) =>
      unseen.filter(({ status }) => status === wanted).map(({ key }) => byKey.get(key)!);
    const mended = await this.options.replaced.mendedAmong(having('mended'));
    for (const object of mended)
      this.#report(object, 'has changed since it was quarantined: it is tried again');
    const added: PendingObject[] = [];
    for (const { key, number, status } of unseen) {
      const object = byKey.get(key)!;
      if (status === 'new' || mended.includes(object)) added.push({ ...object, number });
      if (status === 'unnumbered')
        this.#report(object, 'ignored: its name has no usable number; CHUNK_ORDER=name applies such names');
    }
    for (const object of await this.options.replaced.among(having('replaced')))
      this.#report(object, 'was replaced after it was applied; it is not applied again');
    if (this.options.backlog.add(added) > 0) this.#pause.seeNew(performance.now());
    this.#hasChunks ||= objects.some(({ key }) => isChunkKey(key));
    this.#foreignKey ??= objects.find(({ key }) => !key.endsWith('/'))?.key;
    const unnumbered = new Set(unseen.filter(({ status }) => status === 'unnumbered').map(({ key }) => key));
    const numbered = objects.map(({ key }) => key).filter((key) => !unnumbered.has(key));
    this.#cursor.follow(numbered, isLast);
  }

  /** Logs once that there are objects, and no chunk among them. */
  #reportForeign(): void {
    if (this.#hasChunks || this.#foreignKey === undefined) return;
    this.#hasChunks = true; // as far as this report goes
    const { log, settings } = this.options;
    log.warn(
      { key: this.#foreignKey },
      `no object under ${settings.CHUNKS_PREFIX} is taken for a chunk: their names must end in .csv or .csv.gz`,
    );
  }

  /** Logs it once for an object of this content. */
  #report({ key, etag }: ListedObject, what: string): void {
    const report = [key, etag, what].join('\n');
    if (this.#reported.has(report)) return;
    this.#reported.add(report);
    this.options.log.warn({ key }, `object ${what}`);
  }

  /** Publishes the size and age of the backlog, and records them for pipeline_status. */
  async #record(): Promise<void> {
    const { backlog, functions, runId, settings } = this.options;
    const oldestAt = backlog.oldestAt;
    const validMs = VALID_MS + 2 * settings.POLL_INTERVAL_MS;
    pipelineEvents.publish('listed', { pendingCount: backlog.size, oldestPendingAt: oldestAt, validMs });
    const text = `${backlog.size} ${oldestAt?.getTime()}`;
    const now = performance.now();
    if (text === this.#recorded.text && now < this.#recorded.at + RECORD_MS) return;
    await functions.recordListing(runId, backlog.size, oldestAt, validMs);
    this.#recorded = { text, at: now };
    if (now < this.#totalsReadAt + RECORD_MS || pipelineEvents.listenerCount('totalsRead') === 0) return;
    this.#totalsReadAt = now;
    // for the metrics alone: no poll waits for it, or fails with it
    void this.#readTotals().catch((error: unknown) =>
      this.options.log.debug({ reason: messageOf(error) }, 'totals for the metrics could not be read'),
    );
  }

  /** Publishes what other processes change, too. */
  async #readTotals(): Promise<void> {
    const { chunks_quarantined, batches_pending, last_applied_at } = await readStatus(this.options.views);
    pipelineEvents.publish('totalsRead', {
      quarantined: chunks_quarantined,
      filesToWrite: batches_pending,
      lastAppliedAt: last_applied_at === null ? null : new Date(last_applied_at),
    });
  }
}
