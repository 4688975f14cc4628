import pRetry from 'p-retry';
import { messageOf } from './errors.js';
import { pipeline, type Service } from './events.js';
import type { Logger } from './log.js';

export interface RetryOptions {
  /** Ends the retrying, even in the middle of a pause; `retryForever` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** True for errors that may pass by themselves; any other is thrown at once. */
  isTransient: (error: unknown) => boolean;
}

/** What `the object store` is called in events. */
const serviceOf = (what: string): Service => what.replace(/^the /, '').replaceAll(' ', '_');

/** How many calls are in trouble, by `what`: several at once are one piece of news, not several. */
const callsInTrouble = new Map<string, number>();

/**
 * Does `work` until it ends well, pausing longer and longer, up to 5 s, after each transient error. That `what`
 * (a noun: `'the object store'`) is in trouble is said once, as a warning, and once more when it is over.
 * Work that ended well counts, even if the signal was aborted meanwhile.
 * @throws whatever is not transient; the signal's reason.
 */
export async function retryForever<Result>(
  what: string,
  log: Logger,
  work: () => Promise<Result>,
  { signal, isTransient }: RetryOptions,
): Promise<Result> {
  let finished: { result: Result } | undefined;
  let inTroubleSince: number | undefined;
  try {
    return await pRetry(
      async () => {
        const result = await work();
        finished = { result };
        return result;
      },
      {
        retries: Infinity,
        minTimeout: 100,
        // Each call has a longest pause of its own, so that many do not come back at the same moment.
        maxTimeout: 4000 + 1000 * Math.random(),
        randomize: true,
        signal,
        onFailedAttempt: ({ error }) => {
          if (signal?.aborted || !isTransient(error)) return;
          pipeline.tell('retried', serviceOf(what));
          if (inTroubleSince !== undefined) return;
          inTroubleSince = performance.now();
          const others = callsInTrouble.get(what) ?? 0;
          callsInTrouble.set(what, others + 1);
          if (others === 0) {
            pipeline.tell('troubleBegan', serviceOf(what));
            log.warn({ reason: messageOf(error) }, `${what} is in trouble; trying again until it works`);
          }
        },
        shouldRetry: ({ error }) => isTransient(error),
      },
    );
  } catch (error) {
    if (finished) return finished.result;
    throw error;
  } finally {
    if (inTroubleSince !== undefined) {
      const others = (callsInTrouble.get(what) ?? 1) - 1;
      callsInTrouble.set(what, others);
      if (others === 0) pipeline.tell('troubleEnded', serviceOf(what));
      if (others === 0 && finished) {
        log.info({ ms: Math.round(performance.now() - inTroubleSince) }, `${what} works again`);
      }
    }
  }
}
