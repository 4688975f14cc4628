import type pg from 'pg';
import { connect } from '../database.js';
import { hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { SqlFunctions } from '../sql-functions.js';
import { SingleFlight } from './single-flight.js';

/** The server ends the refresh of a session that is gone, however it went. One on Windows cannot, and refuses. */
const SET_CHECK = "set client_connection_check_interval = '1s'";

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

  async #run(): Promise<void> {
    const limitMs = this.#isBusy ? this.#limitMs : 0; // 0: none
    const start = this.now();
    try {
      await this.#refresh(limitMs);
      this.log.debug({ ms: Math.round(this.now() - start) }, 'materialized views refreshed');
    } catch (error) {
      if (this.signal.aborted) return;
      // that is how statement_timeout ends it
      if (limitMs > 0 && hasSqlState(error, 'queryCanceled'))
        this.log.debug({ limitMs }, 'refreshing the materialized views would take too long by now');
      else this.log.warn({ reason: messageOf(error) }, 'the materialized views were not refreshed');
    }
    this.#limitMs = Math.max(this.budget.firstLimitMs, 2 * Math.ceil(this.now() - start));
    this.#dueAt = this.#affordableAt();
  }

  async #refresh(limitMs: number): Promise<void> {
    this.signal.throwIfAborted();
    this.#client = await connect({ ...this.config, statement_timeout: limitMs });
    try {
      this.signal.throwIfAborted();
      await this.#client.query(SET_CHECK).catch(() => undefined);
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
