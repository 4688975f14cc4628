import type { Kysely } from 'kysely';
import { hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Sections } from './payloads.js';
import {
  readChunkDetections,
  readChunks,
  readNewest,
  readPatterns,
  readProgress,
} from './queries/overview.js';
import type { DashboardViews } from './dashboard-views.js';
import type { PatternParts } from './pattern-parts.js';

/** The pause between two reads of the database is at least this long ... */
const MIN_PAUSE_MS = 700;
/** ... and this many times as long as the last read, so that a long ledger leads to fewer reads, not to more load ... */
const PAUSE_PER_COST = 40;
/** ... but at most this long, so that the figures do not grow older. */
const MAX_PAUSE_MS = 30_000;
/** The pause after a database that did not answer. */
const AWAY_PAUSE_MS = 1000;

/** Gets the name of a section and its JSON whenever it has changed. */
export type Listener = (section: keyof Sections, json: string) => void;

/**
 * Reads the state of the pipeline from the database and passes it to listeners: one read for all of them, and none
 * without a listener. If the database does not answer, the listeners are told so, and it is read again later.
 */
export class LiveState {
  readonly #listeners = new Set<Listener>();
  readonly #sections = new Map<keyof Sections, string>();
  #timer: NodeJS.Timeout | undefined;
  #isReading = false;
  /** The figures at the last read of chunks, chunkDetections and newest; these change only with the figures. */
  #basis = '';

  constructor(
    private readonly views: Kysely<DashboardViews>,
    private readonly parts: PatternParts,
    private readonly log: Logger,
    timeZone: string | undefined,
    private readonly pausePerCost = PAUSE_PER_COST,
  ) {
    this.#publish('page', { timeZone: timeZone ?? null });
  }

  /** The listener gets all known sections, then each that changes. @returns a function that removes the listener. */
  listen(listener: Listener): () => void {
    for (const [section, json] of this.#sections) listener(section, json);
    this.#listeners.add(listener);
    if (!this.#isReading && this.#timer === undefined) void this.#refresh();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  async #refresh(): Promise<void> {
    this.#isReading = true;
    let pause = AWAY_PAUSE_MS;
    try {
      const tookMs = await this.#readAll();
      this.#publish('database', { isAway: false });
      pause = Math.max(MIN_PAUSE_MS, this.pausePerCost * tookMs);
    } catch (error) {
      this.log.debug({ reason: messageOf(error) }, 'the dashboard cannot read the database');
      this.#publish('database', { isAway: true });
      // the read took too long: another one soon would add to the load
      if (hasSqlState(error, 'queryCanceled')) pause = MAX_PAUSE_MS;
    }
    this.#isReading = false;
    if (this.#listeners.size === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#refresh();
      },
      Math.min(pause, MAX_PAUSE_MS),
    );
    this.#timer.unref();
  }

  /**
   * Reads everything in one snapshot, so that the figures agree. Sections that cannot have changed are not read again.
   * @returns the milliseconds it took, without those for a new session.
   */
  async #readAll(): Promise<number> {
    return this.views
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (snapshot) => {
        const startedAt = performance.now();
        const progress = await readProgress(snapshot);
        const patterns = await readPatterns(snapshot, this.parts);
        const { chunks_applied, detections, batches_pending, batches_exported, run_id } = progress;
        const basis = JSON.stringify([chunks_applied, detections, batches_pending, batches_exported, run_id]);
        if (basis !== this.#basis) {
          const chunks = await readChunks(snapshot);
          const chunkDetections = await readChunkDetections(snapshot);
          const newest = await readNewest(snapshot);
          this.#publish('chunks', chunks);
          this.#publish('chunkDetections', chunkDetections);
          this.#publish('newest', newest);
          this.#basis = basis;
        }
        this.#publish('patterns', patterns);
        this.#publish('progress', progress);
        return performance.now() - startedAt;
      });
  }

  #publish<Section extends keyof Sections>(section: Section, value: Sections[Section]): void {
    const json = JSON.stringify(value);
    if (this.#sections.get(section) === json) return;
    this.#sections.set(section, json);
    for (const listener of this.#listeners) listener(section, json);
  }
}
