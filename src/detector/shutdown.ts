import { isTransientDatabaseError } from '../errors.js';
import { isTransientStoreError } from '../s3/store-errors.js';

/**
 * Whether the error is no news after the signal: the work was broken off by it, or the next start tries again.
 * Any other error is thrown as ever.
 */
export function isOverBy(signal: AbortSignal, error: unknown): boolean {
  if (!signal.aborted) return false;
  return (
    error === signal.reason ||
    (error instanceof Error && error.name === 'AbortError') ||
    isTransientDatabaseError(error) ||
    isTransientStoreError(error)
  );
}
