import { withResources, type CloseLater } from '../async/resource-scope.js';
import {
  environmentWarnings,
  type DashboardSettings,
  type DatabaseSettings,
  type MetricsSettings,
  type ObjectStoreSettings,
  type Settings,
} from '../config.js';
import { openViews } from '../database/connection.js';
import { WRITES_IN_SESSIONS, connectOrExplain } from '../database/server-check.js';
import { serveDashboard, type Routes } from '../dashboard/server.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { serveMetrics } from '../metrics/server.js';
import { probeDatabase, probeObjectStore } from '../metrics/probes.js';
import { migrateIfPending } from '../database/schema.js';
import { openServices, type Services } from './services.js';
import { stopSignal } from '../async/signals.js';
import { readStatusText } from '../database/status.js';
import { openTerminal, type Terminal } from '../terminal/terminal.js';

/** Why `start` and `detect` end, without a signal or an error. */
export const END_OF_ONCE = '--once: nothing waits any more';

/** Prints the results of the pipeline so far to stdout. If the database cannot be read, logs a warning instead. */
export async function printSummary(services: Services, log: Logger): Promise<void> {
  const views = openViews(services.config);
  try {
    process.stdout.write(`${await readStatusText(views)}\n\nTo look at the detections: npm run psql\n`);
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'no summary: the database cannot be read');
  } finally {
    await views.destroy();
  }
}

/** Serves metrics and health on a port of their own, if METRICS_PORT is set. @returns else routes for the dashboard. */
async function openMetrics(
  { config, store }: Services,
  settings: MetricsSettings & Pick<Settings, 'CHUNKS_PREFIX'>,
  name: 'start' | 'detect',
  { log, closeLater }: Command,
): Promise<Routes[]> {
  const { metricsRoutes } = await import('../metrics/routes.js');
  const probes = {
    'the database': probeDatabase(config),
    'the object store': probeObjectStore(store, settings.CHUNKS_PREFIX),
  };
  if (settings.METRICS_PORT === undefined)
    return [(server) => void server.register(metricsRoutes, { command: name, probes })];
  closeLater(await serveMetrics({ settings, log, command: name, probes }));
  return [];
}

async function prepareDatabase(services: Services, log: Logger): Promise<void> {
  const client = await connectOrExplain(services.config, WRITES_IN_SESSIONS);
  try {
    await migrateIfPending(client, services.config, log);
  } finally {
    await client.end();
  }
}

export interface Command {
  terminal: Terminal;
  log: Logger;
  /** Ends the work early, in order. */
  signal: AbortSignal;
  closeLater: CloseLater;
}

/**
 * Runs `work` with a log, a stop signal and, on a terminal, a live display. The log says at the end why it ended: a signal,
 * an error, or else `ending`.
 */
export async function withTerminal(
  level: string,
  ending: string,
  work: (command: Command) => Promise<void>,
): Promise<void> {
  const terminal = await openTerminal(level);
  const { log } = terminal;
  const signal = stopSignal();
  try {
    await withResources(log, (closeLater) => {
      closeLater(() => terminal.close());
      for (const warning of environmentWarnings()) log.warn(warning);
      return work({ terminal, log, signal, closeLater });
    });
  } catch (error) {
    log.info({ reason: 'an error, which the next line says' }, 'stopped');
    throw error;
  }
  log.info({ reason: signal.aborted ? messageOf(signal.reason) : ending }, 'stopped');
}

/** Opens what mechanism Y needs, with the schema up to date; starts the dashboard and the live display. */
export async function openPipeline(
  settings: DatabaseSettings &
    ObjectStoreSettings &
    DashboardSettings &
    MetricsSettings &
    Pick<Settings, 'CHUNKS_PREFIX'>,
  name: 'start' | 'detect',
  command: Command,
): Promise<Services> {
  const { terminal, log, closeLater } = command;
  const services = await openServices(settings, log);
  closeLater(() => services.close());
  const { config, store } = services;
  await store.checkAccess(settings.CHUNKS_PREFIX);
  await prepareDatabase(services, log);
  const routes = await openMetrics(services, settings, name, command);
  const dashboard = await serveDashboard({ config, settings, log, routes });
  closeLater(() => dashboard.close());
  closeLater(terminal.follow(config));
  return services;
}
