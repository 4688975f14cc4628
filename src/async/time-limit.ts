import { setTimeout as sleep } from 'node:timers/promises';

/** Whether the promise is fulfilled in this time, and before the signal is aborted. @throws the error that rejects it. */
export async function isDoneWithin(
  ms: number,
  promise: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  const timeout = new AbortController();
  const giveUp = () => timeout.abort();
  if (signal?.aborted) giveUp();
  // with AbortSignal.any, each call would leave a listener on a long-lived signal
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
