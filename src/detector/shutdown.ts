import { isTransientDatabaseError } from '../errors.js';
import { isTransientStoreError } from '../s3/store-errors.js';

/**
 * Whether an error may be ignored because the signal was aborted: the signal caused the error, or the error is
 * transient and the next start tries again.
 */
export function isIgnorableAfter(signal: AbortSignal, error: unknown): boolean {
  if (!signal.aborted) return false;
  return (
    error === signal.reason ||
    (error instanceof Error && error.name === 'AbortError') ||
    isTransientDatabaseError(error) ||
    isTransientStoreError(error)
  );
}
