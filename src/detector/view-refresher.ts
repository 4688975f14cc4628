import type pg from 'pg';
import { connectChecked } from '../database/connection.js';
import { hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { SqlFunctions } from '../database/functions.js';
import { SingleFlight } from '../async/single-flight.js';

/** While no chunks come, the pause after a refresh is this many times as long as the refresh. */
const QUIET_PAUSES = 9;

interface Budget {
  /** While chunks keep coming, refreshes take at most this share of the time. */
  shareOfTime: number;
  /** The time limit of the first of these refreshes, in milliseconds; short, since the size of the state is unknown. */
  firstLimitMs: number;
}

/**
 * Refreshes the materialized views, on a session of its own. They serve people, not the pipeline, so a failed refresh is
 * logged and tried again at the next occasion. The signal cancels a running refresh, on the server, too.
 */
export class ViewRefresher {
  #isBusy = false;
  #client: pg.Client | undefined;
  #limitMs: number;
  #dueAt: number;
  #quietDueAt = -Infinity;
  /** Whether a chunk may have been applied that is not in the views. */
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

  /**
   * An occasion while chunks keep coming: starts a refresh if the budget allows it. A refresh that reaches its time
   * limit is cancelled, and the next one may take twice as long.
   */
  whileBusy(): void {
    this.#isStale = true;
    if (this.#refreshing.isRunning || this.now() < this.#dueAt) return;
    this.#isBusy = true;
    this.#refreshing.start();
  }

  /** Refreshes the views now, however long it takes. */
  async refresh(): Promise<void> {
    this.#isBusy = false;
    this.#refreshing.start();
    await this.#refreshing.settle();
  }

  /**
   * An occasion while no chunks come: starts a refresh, however long it takes, if chunks have come since the last one or
   * that one failed. These refreshes take at most a tenth of the time, since a slow stream is quiet after every chunk.
   */
  whileQuiet(): void {
    if (!this.#isStale || this.#refreshing.isRunning || this.now() < this.#quietDueAt) return;
    this.#isBusy = false;
    this.#refreshing.start();
  }

  async #run(): Promise<void> {
    const limitMs = this.#isBusy ? this.#limitMs : 0; // 0: no limit
    const start = this.now();
    this.#isStale = false; // before the refresh: it may lack a chunk that is applied meanwhile
    try {
      await this.#refresh(limitMs);
      this.log.debug({ ms: Math.round(this.now() - start) }, 'materialized views refreshed');
    } catch (error) {
      this.#isStale = true;
      if (this.signal.aborted) return;
      // statement_timeout raises queryCanceled
      if (limitMs > 0 && hasSqlState(error, 'queryCanceled'))
        this.log.debug({ limitMs }, 'the refresh of the materialized views reached its time limit');
      else this.log.warn({ reason: messageOf(error) }, 'the materialized views were not refreshed');
    }
    this.#limitMs = Math.max(this.budget.firstLimitMs, 2 * Math.ceil(this.now() - start));
    this.#dueAt = this.#affordableAt();
    this.#quietDueAt = this.now() + QUIET_PAUSES * (this.now() - start);
  }

  async #refresh(limitMs: number): Promise<void> {
    this.signal.throwIfAborted();
    this.#client = await connectChecked(this.config);
    try {
      // not as a parameter of the connection, which poolers refuse
      if (limitMs > 0)
        await this.#client.query("select set_config('statement_timeout', $1, false)", [String(limitMs)]);
      this.signal.throwIfAborted();
      await new SqlFunctions(this.#client).refreshViews();
    } finally {
      await this.#client.end();
    }
  }

  /** When the budget allows the next refresh, which may take up to its time limit. */
  #affordableAt(): number {
    return this.now() + this.#limitMs / this.budget.shareOfTime;
  }
}
