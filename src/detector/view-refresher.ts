import type pg from 'pg';
import { connect } from '../database.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { SqlFunctions } from '../sql-functions.js';
import { Background } from './background.js';

/** While chunks keep coming, the views are refreshed at most this share of the time. */
const SHARE_OF_TIME = 0.02;
const FIRST_AFTER_MS = 10_000;

/**
 * Keeps the materialized views reasonably fresh, on a session of its own. They are for people: that one could not be
 * refreshed is said, and tried again with the next occasion, but stops nothing.
 */
export class ViewRefresher {
  #dueAt = performance.now() + FIRST_AFTER_MS;
  readonly #refreshing: Background;

  constructor(
    private readonly config: pg.ClientConfig,
    private readonly log: Logger,
  ) {
    this.#refreshing = new Background(() => this.#run());
  }

  /** An occasion while chunks keep coming. */
  whileBusy(): void {
    if (!this.#refreshing.isRunning && performance.now() >= this.#dueAt) this.#refreshing.start();
  }

  /** Refreshes them now. */
  async refresh(): Promise<void> {
    this.#refreshing.start();
    await this.#refreshing.settle();
  }

  async #run(): Promise<void> {
    const start = performance.now();
    try {
      const client = await connect(this.config);
      try {
        await new SqlFunctions(client).refreshViews();
      } finally {
        await client.end();
      }
    } catch (error) {
      this.log.warn({ reason: messageOf(error) }, 'the materialized views were not refreshed');
    }
    const ms = performance.now() - start;
    this.log.debug({ ms: Math.round(ms) }, 'materialized views refreshed');
    this.#dueAt = performance.now() + ms / SHARE_OF_TIME;
  }
}
