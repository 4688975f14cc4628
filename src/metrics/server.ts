import { keepListening } from '../async/listening.js';
import type { MetricsSettings } from '../config.js';
import { codeOf, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { MetricsRoutesOptions } from './routes.js';

export interface MetricsServerOptions extends MetricsRoutesOptions {
  settings: MetricsSettings;
  log: Logger;
  /** Between two tries to listen. Default: as keepListening has it. */
  pauseMs?: number | undefined;
}

/**
 * Serves metrics and health on METRICS_HOST and METRICS_PORT; without a port, or with port 0, not at all. If they cannot
 * be served, the log says so, and it is tried again until they can: meanwhile the pipeline runs, and is counted.
 * @returns a function that closes the server.
 */
export async function serveMetrics({
  settings,
  log,
  pauseMs,
  ...options
}: MetricsServerOptions): Promise<() => Promise<void>> {
  const { METRICS_HOST: host, METRICS_PORT: port = 0 } = settings;
  if (port === 0) return () => Promise.resolve();
  // loaded only here: these libraries take longer to load than the rest of a command
  const [{ fastify }, { metricsRoutes }] = await Promise.all([import('fastify'), import('./routes.js')]);
  const routes = fastify({ logger: false });
  await routes.register(metricsRoutes, options);
  await routes.ready();
  const close = await keepListening((request, response) => routes.routing(request, response), {
    ...{ host, port, pauseMs },
    onListening: () => log.info(`metrics: http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`),
    onFailure: (error) => {
      const reason =
        codeOf(error) === 'EADDRINUSE' ? `port ${port} is taken` : `${host}:${port}: ${messageOf(error)}`;
      log.warn(
        { reason },
        'no metrics yet, trying again: set METRICS_PORT to another port, one for each process, or to 0 for none',
      );
    },
  });
  return async () => {
    await close();
    await routes.close();
  };
}
