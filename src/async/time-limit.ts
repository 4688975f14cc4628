import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the promise is kept in this time, and before the signal. @throws what it throws. */
export async function within(ms: number, promise: Promise<unknown>, signal?: AbortSignal): Promise<boolean> {
  const timeout = new AbortController();
  const giveUp = () => timeout.abort();
  if (signal?.aborted) giveUp();
  // not AbortSignal.any: it would leave something on a signal that lives long, each time
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([
      promise.then(() => true),
      sleep(ms, false, { signal: timeout.signal }).catch(() => false),
    ]);
  } finally {
    signal?.removeEventListener('abort', giveUp);
    timeout.abort();
  }
}
