import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';

const PAUSE_MS = 5000;

export interface ListeningOptions {
  host: string;
  port: number;
  onListening: () => void;
  /** Called with the error of the first try, and not of later ones. */
  onFailure: (error: unknown) => void;
  /** Between two tries. Default: PAUSE_MS. */
  pauseMs?: number | undefined;
}

/**
 * Lets `handler` answer on a host and port. If it cannot listen there, because another process does, it tries again until
 * it can: each time with a new server, since one that has failed cannot be relied on.
 * @returns after the first try, a function that ends the server, or the tries.
 */
export async function keepListening(
  handler: RequestListener,
  { host, port, onListening, onFailure, pauseMs = PAUSE_MS }: ListeningOptions,
): Promise<() => Promise<void>> {
  let end: () => void | Promise<void> = () => undefined;
  let isEnded = false;
  const attempt = async (isFirst: boolean): Promise<void> => {
    const server = createServer(handler);
    try {
      server.listen({ host, port });
      await once(server, 'listening');
    } catch (error) {
      if (isFirst) onFailure(error);
      if (isEnded) return;
      const timer = setTimeout(() => void attempt(false), pauseMs).unref();
      end = () => clearTimeout(timer);
      return;
    }
    end = async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    };
    if (isEnded) await end();
    else onListening();
  };
  await attempt(true);
  return async () => {
    isEnded = true;
    await end();
  };
}
