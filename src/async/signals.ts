/** npm passes on what a terminal or a supervisor sends to all of a group: those so close to the first count as the first. */
const SAME_SIGNAL_MS = 1000;
/** Whatever still hangs then ends with the process; the database rolls it back. */
const LAST_MOMENT_MS = 4700;

/**
 * Aborts at the first SIGTERM or SIGINT, for the work to end in order; a later one ends the process at once. The
 * command that was interrupted fails.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    firstAt ??= performance.now();
    controller.abort();
    if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}

/**
 * As `interruptSignal`, for work that is meant to be ended so: the process ends within 5 s, with 0. A later signal
 * loses nothing either.
 */
export function stopSignal(): AbortSignal {
  const signal = interruptSignal();
  signal.addEventListener('abort', () => setTimeout(() => process.exit(0), LAST_MOMENT_MS).unref());
  return signal;
}
