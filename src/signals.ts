/** A terminal and npm may each send one and the same Ctrl-C: those so close to the first count as the first. */
const SAME_SIGNAL_MS = 500;
/** Whatever still hangs then ends with the process; the database rolls it back. */
const LAST_MOMENT_MS = 4700;

/**
 * Aborts at the first SIGTERM or SIGINT, so that what is in hand is finished; the process ends within 5 s all the
 * same, with 0. A later signal ends it at once; nothing is lost by that either.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      controller.abort();
      setTimeout(() => process.exit(0), LAST_MOMENT_MS).unref();
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) {
      process.exit(signal === 'SIGINT' ? 130 : 143);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
