import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { pipelineEvents, type Service } from '../events.js';
import type { Logger } from '../log.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;

const NAMES: Record<Service, string> = { database: 'the database', object_store: 'the object store' };

export interface RetryOptions {
  log: Logger;
  /** Ends the retrying, also during a pause: `retryForever` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** True for errors that may pass by themselves; any other error is thrown at once. */
  isTransient: (error: unknown) => boolean;
}

/** One try of the work. */
export interface Attempt {
  /** The pause before it, in milliseconds; 0 before the first. */
  pausedMs: number;
  /** Long-running work calls it when the service works: the trouble is over, and the next pause is short again. */
  works: () => void;
}

/**
 * Repeats `work` until it succeeds, and pauses after each transient error: 100 ms at first, then twice as long each
 * time, up to 5 s. The log says once that the service is in trouble, and once that it works again. Work that succeeded
 * counts, even if the signal was aborted meanwhile.
 * @throws every error that is not transient; the signal's reason.
 */
export async function retryForever<Result>(
  service: Service,
  { log, signal, isTransient }: RetryOptions,
  work: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  const trouble = new Trouble(service, log);
  let failures = 0;
  let pausedMs = 0;
  const works = () => {
    failures = 0;
    trouble.end({ works: true });
  };
  try {
    for (;;) {
      signal?.throwIfAborted();
      try {
        const result = await work({ pausedMs, works });
        works();
        return result;
      } catch (error) {
        if (!isTransient(error)) throw error;
        signal?.throwIfAborted();
        trouble.begin(error);
      }
      // half of the pause is random, so that many callers do not retry at the same moment
      pausedMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      await sleep(pausedMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  } finally {
    trouble.end({ works: false });
  }
}

/** The number of calls in trouble, by service: several at once make one message in the log. */
const callsInTrouble = new Map<Service, number>();

/** Whether a call to the service has failed, and is being retried. */
export function isInTrouble(service: Service): boolean {
  return (callsInTrouble.get(service) ?? 0) > 0;
}

/** Reports, for one call, that the service is in trouble and that the trouble is over. */
class Trouble {
  #since: number | undefined;

  constructor(
    private readonly service: Service,
    private readonly log: Logger,
  ) {}

  /** An attempt failed, and another will follow. */
  begin(error: unknown): void {
    pipelineEvents.publish('retried', this.service);
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    const others = callsInTrouble.get(this.service) ?? 0;
    callsInTrouble.set(this.service, others + 1);
    if (others > 0) return;
    pipelineEvents.publish('troubleBegan', this.service);
    this.log.warn(
      { reason: messageOf(error) },
      `${NAMES[this.service]} is in trouble; trying again until it works`,
    );
  }

  /** The call works, or is given up. Does nothing if there was no trouble. */
  end({ works }: { works: boolean }): void {
    if (this.#since === undefined) return;
    const ms = Math.round(performance.now() - this.#since);
    this.#since = undefined;
    const others = callsInTrouble.get(this.service)! - 1;
    callsInTrouble.set(this.service, others);
    if (others > 0) return;
    pipelineEvents.publish('troubleEnded', this.service);
    if (works) this.log.info({ ms }, `${NAMES[this.service]} works again`);
  }
}
