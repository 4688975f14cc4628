import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the promise is kept in this time. @throws what it throws. */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), sleep(ms, false, { signal: timeout.signal })]);
  } finally {
    timeout.abort();
  }
}
