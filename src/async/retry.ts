import pRetry from 'p-retry';
import type { Logger } from '../log.js';
import { Trouble } from './trouble.js';

export interface RetryOptions {
  /** Ends the retrying, even in the middle of a pause; `retryForever` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** True for errors that may pass by themselves; any other is thrown at once. */
  isTransient: (error: unknown) => boolean;
}

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
  const trouble = new Trouble(what, log);
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
          if (!signal?.aborted && isTransient(error)) trouble.retry(error);
        },
        shouldRetry: ({ error }) => isTransient(error),
      },
    );
  } catch (error) {
    if (finished) return finished.result;
    throw error;
  } finally {
    trouble.end({ works: finished !== undefined });
  }
}
