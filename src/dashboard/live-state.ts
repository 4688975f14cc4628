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

/** Between two looks at the database, in milliseconds ... */
const MIN_PAUSE_MS = 700;
/** ... and at least so many times what the last look took: with a long ledger it looks less often, not harder ... */
const TIMES_ITS_COST = 40;
/** ... but figures must not grow older than this, even where a look takes longer than its fortieth. */
const MAX_PAUSE_MS = 30_000;
/** Until a database that is away is looked for again. */
const AWAY_PAUSE_MS = 1000;

/** Gets the name of a section and its JSON whenever it has changed. */
export type Listener = (section: keyof Sections, json: string) => void;

/**
 * Where the pipeline stands, for all who listen: one look at the database for all of them, and none while nobody
 * does. A database that is away is told to them, and looked for again.
 */
export class LiveState {
  readonly #listeners = new Set<Listener>();
  readonly #sections = new Map<keyof Sections, string>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  /** What the sections but progress were last made from. */
  #basis = '';

  constructor(
    private readonly views: Kysely<DashboardViews>,
    private readonly log: Logger,
  ) {}

  /** The listener gets all sections known, then each that changes. @returns how to stop listening. */
  listen(listener: Listener): () => void {
    for (const [section, json] of this.#sections) listener(section, json);
    this.#listeners.add(listener);
    if (!this.#isLooking && this.#timer === undefined) void this.#look();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    let pause = AWAY_PAUSE_MS;
    try {
      const tookMs = await this.#readAll();
      this.#tell('database', { isAway: false });
      pause = Math.max(MIN_PAUSE_MS, TIMES_ITS_COST * tookMs);
    } catch (error) {
      this.log.debug({ reason: messageOf(error) }, 'the dashboard cannot read the database');
      this.#tell('database', { isAway: true });
      // it took too long: looking again at once would make that worse
      if (hasSqlState(error, 'queryCanceled')) pause = MAX_PAUSE_MS;
    }
    this.#isLooking = false;
    if (this.#listeners.size === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#look();
      },
      Math.min(pause, MAX_PAUSE_MS),
    );
    this.#timer.unref();
  }

  /**
   * One snapshot: the figures belong together. What did not change is not read again.
   * @returns the milliseconds it took, without those for a new session.
   */
  async #readAll(): Promise<number> {
    return this.views
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (snapshot) => {
        const startedAt = performance.now();
        const progress = await readProgress(snapshot);
        const patterns = await readPatterns(snapshot);
        const { chunks_applied, detections, batches_pending, batches_exported, run_id } = progress;
        const basis = JSON.stringify([chunks_applied, detections, batches_pending, batches_exported, run_id]);
        if (basis !== this.#basis) {
          const chunks = await readChunks(snapshot);
          const chunkDetections = await readChunkDetections(snapshot);
          const newest = await readNewest(snapshot);
          this.#tell('chunks', chunks);
          this.#tell('chunkDetections', chunkDetections);
          this.#tell('newest', newest);
          this.#basis = basis;
        }
        this.#tell('patterns', patterns);
        this.#tell('progress', progress);
        return performance.now() - startedAt;
      });
  }

  #tell<Section extends keyof Sections>(section: Section, value: Sections[Section]): void {
    const json = JSON.stringify(value);
    if (this.#sections.get(section) === json) return;
    this.#sections.set(section, json);
    for (const listener of this.#listeners) listener(section, json);
  }
}
