import { retryForever, type Attempt } from '../async/retry.js';
import { isTransientDatabaseError } from '../errors.js';
import type { Logger } from '../log.js';

/**
 * Repeats work on the database from its beginning, on new connections, until it succeeds: transient errors are retried,
 * and the log says so once. Any other error is thrown, and so is the signal's reason when the signal is aborted during
 * the retries.
 */
export function untilDatabaseWorks<Result>(
  options: { log: Logger; signal: AbortSignal },
  work: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return retryForever('database', { ...options, isTransient: isTransientDatabaseError }, work);
}
