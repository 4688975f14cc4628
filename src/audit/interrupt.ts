/** A terminal and npm may each send one and the same Ctrl-C: those so close to the first count as the first. */
const SAME_SIGNAL_MS = 500;

/**
 * Aborts at the first SIGTERM or SIGINT, for the scratch database to be dropped; a later one ends the process at once.
 * Not `stopSignal`: a verification that was interrupted must not end with 0.
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
