import type pg from 'pg';
import { connectChecked } from '../database/connection.js';
import { hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { SqlFunctions } from '../database/functions.js';
import { SingleFlight } from '../async/single-flight.js';

/** In quiet moments, a pause so many times as long as the refresh before. */
const QUIET_PAUSES = 9;

interface Budget {
  /** While chunks keep coming, the views are refreshed at most this share of the time. */
  shareOfTime: number;
  /** What the first of these refreshes may take, in milliseconds: nobody knows how large the state is. */
  firstLimitMs: number;
}

/**
 * Keeps the materialized views reasonably fresh, on a session of its own. They are for people: that one could not be
 * refreshed is said, and tried again with the next occasion, but stops nothing. The signal ends it, and what the
 * server does for it.
 */
export class ViewRefresher {
  #isBusy = false;
  #client: pg.Client | undefined;
  #limitMs: number;
  #dueAt: number;
  #quietDueAt = -Infinity;
  /** Whether a chunk may have come that is not in the views. */
  #isStale = true;
  readonly #refreshing: SingleFlight;

  constructor(
    private readonly config: pg.ClientConfig,
    private readonly log: Logger,
    private readonly signal: AbortSignal,
    private readonly budget: Budget = { shareOfTime: 0.02, firstLimitMs: 200 },
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#refreshing = new SingleFlight(() => this.#run());
    signal.addEventListener('abort', () => void this.#client?.end(), { once: true });
    this.#limitMs = budget.firstLimitMs;
    this.#dueAt = this.#affordableAt();
  }

  /** An occasion while chunks keep coming. One that takes too long is given up, and may take twice as long next time. */
  whileBusy(): void {
    this.#isStale = true;
    if (this.#refreshing.isRunning || this.now() < this.#dueAt) return;
    this.#isBusy = true;
    this.#refreshing.start();
  }

  /** Refreshes them now, however long it takes. */
  async refresh(): Promise<void> {
    this.#isBusy = false;
    this.#refreshing.start();
    await this.#refreshing.settle();
  }

  /**
   * A quiet moment: if chunks have come since the last refresh, or it failed, they are refreshed, however long it
   * takes; at most a tenth of the time, since a moment is quiet between any two chunks that come slowly.
   */
  whileQuiet(): void {
    if (!this.#isStale || this.#refreshing.isRunning || this.now() < this.#quietDueAt) return;
    this.#isBusy = false;
    this.#refreshing.start();
  }

  async #run(): Promise<void> {
    const limitMs = this.#isBusy ? this.#limitMs : 0; // 0: none
    const start = this.now();
    this.#isStale = false; // a chunk that comes from now on may not be in it
    try {
      await this.#refresh(limitMs);
      this.log.debug({ ms: Math.round(this.now() - start) }, 'materialized views refreshed');
    } catch (error) {
      this.#isStale = true;
      if (this.signal.aborted) return;
      // that is how statement_timeout ends it
      if (limitMs > 0 && hasSqlState(error, 'queryCanceled'))
        this.log.debug({ limitMs }, 'refreshing the materialized views would take too long by now');
      else this.log.warn({ reason: messageOf(error) }, 'the materialized views were not refreshed');
    }
    this.#limitMs = Math.max(this.budget.firstLimitMs, 2 * Math.ceil(this.now() - start));
    this.#dueAt = this.#affordableAt();
    this.#quietDueAt = this.now() + QUIET_PAUSES * (this.now() - start);
  }

  async #refresh(limitMs: number): Promise<void> {
    this.signal.throwIfAborted();
    this.#client = await connectChecked({ ...this.config, statement_timeout: limitMs });
    try {
      this.signal.throwIfAborted();
      await new SqlFunctions(this.#client).refreshViews();
    } finally {
      await this.#client.end();
    }
  }

  /** When the next one is due that takes as long as it may. */
  #affordableAt(): number {
    return this.now() + this.#limitMs / this.budget.shareOfTime;
  }
}
