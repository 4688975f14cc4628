import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isInTrouble } from '../async/retry.js';
import { connectChecked } from '../database/connection.js';
import { pipelineEvents, type Leader } from '../events.js';
import { SqlFunctions } from '../database/functions.js';
import type { LeaderOptions } from './options.js';

/** How often a Y that stands by tries to take over. */
const STAND_BY_MS = 200;
/** How often it looks for whom. */
const LOOK_MS = 5000;
/** How often the elected Y sends a heartbeat. */
const HEARTBEAT_MS = 300;
/** The server ends the session after this time without a heartbeat. Plus STAND_BY_MS, another Y works within 2 s. */
const SET_IDLE_TIMEOUT = "set idle_session_timeout = '1400ms'";
/** If an answer takes longer, the database is in trouble ... */
const SILENT_MS = 3000;
/** ... and if it takes so long, the server or the network hangs. */
const ANSWER_MS = 5000;

/**
 * The session that holds the election lock. It runs no COPY and no long query, which would delay the heartbeats. If the
 * heartbeats stop, the server ends the session, and that releases the lock.
 */
export class LeaderElection {
  readonly #functions: SqlFunctions;
  #leader: Leader | undefined;
  #lookAt = -Infinity;

  private constructor(
    private readonly client: pg.Client,
    private readonly options: LeaderOptions,
  ) {
    this.#functions = new SqlFunctions(client);
  }

  static async open(options: LeaderOptions): Promise<LeaderElection> {
    const client = await connectChecked({ ...options.config, query_timeout: ANSWER_MS });
    try {
      await client.query(SET_IDLE_TIMEOUT);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    return new LeaderElection(client, options);
  }

  /** Stands by until elected. @returns false if the signal was aborted first. */
  async acquire(): Promise<boolean> {
    const { runId, log, signal, answers, onWaiting } = this.options;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (await answers.waitFor(this.#functions.tryTakeOver(runId), SILENT_MS)) {
        log.info(isFirst ? 'elected: this mechanism Y works' : 'taking over');
        return true;
      }
      onWaiting();
      if (isFirst) pipelineEvents.publish('roleChanged', 'standing_by');
      await this.#lookForWhom();
      await sleep(STAND_BY_MS, undefined, { signal }).catch(() => undefined);
    }
    return false;
  }

  /** Says for whom it stands by, now and then again if that changes. */
  async #lookForWhom(): Promise<void> {
    if (performance.now() < this.#lookAt) return;
    this.#lookAt = performance.now() + LOOK_MS;
    const { answers, log } = this.options;
    const { rows } = await answers.waitFor(
      this.client.query<{ run_state: string }>('select run_state from bankpulse.leading_run'),
      SILENT_MS,
    );
    const leader = rows[0]?.run_state === 'rebuilding' ? 'npm run rebuild' : 'another mechanism Y';
    if (leader === this.#leader) return;
    this.#leader = leader;
    pipelineEvents.publish('leaderSeen', leader);
    log.info(`${leader} is at work; standing by`);
  }

  /** Sends heartbeats until the signal is aborted. @throws if the lease is lost, or the session is lost or hangs. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    const { runId, answers, onWaiting } = this.options;
    while (!signal.aborted) {
      await answers.waitFor(this.#functions.checkLease(runId), SILENT_MS);
      if (isInTrouble('object_store')) onWaiting();
      await sleep(HEARTBEAT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Records the end of the run. @returns false if that failed: the caller then tries in a session of its own, and logs why. */
  endRun(): Promise<boolean> {
    return this.#functions.endRun(this.options.runId).then(
      () => true,
      () => false,
    );
  }

  /** Ends the session, which releases the lock: another Y may take over. */
  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}
