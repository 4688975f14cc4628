import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** Notes how to close what was just opened. */
export type CloseLater = (close: () => void | Promise<void>) => void;

/**
 * Opens several things that are closed as one, the last first. One that does not close is logged, and the others are
 * closed all the same. If not all can be opened, those that were are closed again.
 */
export async function openTogether<Opened extends object>(
  log: Logger,
  open: (closeLater: CloseLater) => Promise<Opened>,
): Promise<Opened & { close: () => Promise<void> }> {
  const closing: Parameters<CloseLater>[0][] = [];
  const close = async () => {
    for (const closeOne of closing.splice(0).reverse()) {
      try {
        await closeOne();
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'not everything could be closed');
      }
    }
  };
  try {
    return { ...(await open((closeOne) => closing.push(closeOne))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Closes what `work` opened when it is over, as `openTogether` does. */
export async function closeAfter<Result>(
  log: Logger,
  work: (closeLater: CloseLater) => Promise<Result>,
): Promise<Result> {
  const { result, close } = await openTogether(log, async (closeLater) => ({
    result: await work(closeLater),
  }));
  await close();
  return result;
}
