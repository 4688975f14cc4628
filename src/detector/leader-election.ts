import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connectChecked } from '../database/connection.js';
import { pipelineEvents } from '../events.js';
import { SqlFunctions } from '../database/functions.js';
import type { LeaderOptions } from './options.js';

/** How often a Y that stands by asks whether it is its turn. */
const STAND_BY_MS = 200;
/** How often the elected one shows that it lives. */
const HEARTBEAT_MS = 300;
/** Silent for longer, its session is ended by the server. With a turn of standing by it stays below 2 s. */
const SET_SILENCE = "set idle_session_timeout = '1400ms'";
/** No answer for so long: the server, or the way to it, hangs. */
const ANSWER_MS = 5000;

/**
 * The session that holds the election lock, and does nothing else: no COPY and no long query may keep it from
 * showing that this process lives. When it does not, the server ends the session, and with it the lock.
 */
export class LeaderElection {
  readonly #functions: SqlFunctions;

  private constructor(
    private readonly client: pg.Client,
    private readonly runId: number,
  ) {
    this.#functions = new SqlFunctions(client);
  }

  static async open(config: pg.ClientConfig, runId: number): Promise<LeaderElection> {
    const client = await connectChecked({ ...config, query_timeout: ANSWER_MS });
    try {
      await client.query(SET_SILENCE);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
    return new LeaderElection(client, runId);
  }

  /** Stands by until elected. @returns false if the signal came first. */
  async acquire({
    log,
    signal,
    onStandBy,
  }: Pick<LeaderOptions, 'log' | 'signal' | 'onStandBy'>): Promise<boolean> {
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      if (await this.#functions.tryTakeOver(this.runId)) {
        if (!isFirst) log.info('taking over');
        return true;
      }
      onStandBy();
      if (isFirst) {
        pipelineEvents.publish('roleChanged', 'standing_by');
        log.info('another mechanism Y is at work; standing by');
      }
      await sleep(STAND_BY_MS, undefined, { signal }).catch(() => undefined);
    }
    return false;
  }

  /** Shows that this process lives, until the signal. @throws when the lease or the session is lost, or hangs. */
  async keepAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#functions.checkLease(this.runId);
      await sleep(HEARTBEAT_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Ends the session: another Y may take over. */
  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}
