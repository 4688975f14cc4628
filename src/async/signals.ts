/** npm forwards a signal that a terminal sends to the whole process group: signals this close together count as one. */
const SAME_SIGNAL_MS = 1000;
/** After this time the process ends even if its work hangs; the database rolls that work back. */
const LAST_MOMENT_MS = 4700;

/**
 * `process.exit` waits for system calls that are under way: for ever, if a network file system or a name server does not
 * answer. A signal waits for none.
 */
function endNow(exitCode: number): void {
  const isCallUnderWay = process.getActiveResourcesInfo().some((name) => /^(FSReq|GetAddrInfo)/.test(name));
  if (isCallUnderWay) {
    process.removeAllListeners('SIGTERM');
    process.kill(process.pid, 'SIGTERM');
  }
  process.exit(exitCode);
}

/** The reason of the abort: its message is the name of the signal. */
class Interruption extends Error {
  override name = 'AbortError';
}

/**
 * Aborted by the first SIGTERM or SIGINT, so that the work can end in order; a later one ends the process at once. The
 * interrupted command fails.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    firstAt ??= performance.now();
    controller.abort(new Interruption(signal));
    if (performance.now() - firstAt > SAME_SIGNAL_MS) endNow(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}

/**
 * As `interruptSignal`, for work that goes on until it is stopped: the process ends within 5 s, with exit code 0. Even a
 * second signal loses no data.
 */
export function stopSignal(): AbortSignal {
  const signal = interruptSignal();
  signal.addEventListener('abort', () => setTimeout(() => endNow(0), LAST_MOMENT_MS).unref());
  return signal;
}
