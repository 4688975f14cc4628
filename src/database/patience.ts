import { retryForever, type Attempt } from '../async/retry.js';
import { isTransientDatabaseError } from '../errors.js';
import type { Logger } from '../log.js';

/**
 * Does work on the database again from its beginning, on new connections, until it works: an error that may pass is
 * waited out, and the log says so once. Any other error is thrown, and so is the signal's reason when the signal ends the
 * waiting.
 */
export function untilDatabaseWorks<Result>(
  options: { log: Logger; signal: AbortSignal },
  work: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  return retryForever('database', { ...options, isTransient: isTransientDatabaseError }, work);
}
