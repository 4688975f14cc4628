import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** Adds a resource to the scope, by the function that closes it. */
export type CloseLater = (close: () => void | Promise<void>) => void;

/**
 * Opens several resources that are closed together, the last one first. If one cannot be opened, those before it are
 * closed again. If one cannot be closed, this is logged, and the others are still closed.
 */
export async function openResources<Opened extends object>(
  log: Logger,
  open: (closeLater: CloseLater) => Promise<Opened>,
): Promise<Opened & { close: () => Promise<void> }> {
  const closers: Parameters<CloseLater>[0][] = [];
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) {
      try {
        await closeOne();
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'a resource could not be closed');
      }
    }
  };
  try {
    return { ...(await open((closeOne) => closers.push(closeOne))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs `work`, and then closes its resources as `openResources` does. */
export async function withResources<Result>(
  log: Logger,
  work: (closeLater: CloseLater) => Promise<Result>,
): Promise<Result> {
  const { result, close } = await openResources(log, async (closeLater) => ({
    result: await work(closeLater),
  }));
  await close();
  return result;
}
