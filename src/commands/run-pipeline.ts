import { withResources, type CloseLater } from '../async/resource-scope.js';
import {
  environmentWarnings,
  type DashboardSettings,
  type DatabaseSettings,
  type ObjectStoreSettings,
  type Settings,
} from '../config.js';
import { openViews } from '../database/connection.js';
import { WRITES_IN_SESSIONS, connectOrExplain } from '../database/server-check.js';
import { serveDashboard, type Routes } from '../dashboard/server.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { migrateIfPending } from '../database/schema.js';
import { openServices, type Services } from './services.js';
import { stopSignal } from '../async/signals.js';
import { readStatusText } from '../database/status.js';
import { openTerminal, type Terminal } from '../terminal/terminal.js';

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

/** The routes of metrics and health, which the dashboard's server serves, too. */
const routesOf = (services: Services): Routes[] => [
  async (server) => {
    const { metricsRoutes, pingDatabase } = await import('../metrics/routes.js');
    await server.register(metricsRoutes, { ping: pingDatabase(services.config) });
  },
];

async function prepareDatabase(services: Services, log: Logger): Promise<void> {
  const client = await connectOrExplain(services.config, WRITES_IN_SESSIONS);
  try {
    await migrateIfPending(client, services.config, log);
  } finally {
    await client.end();
  }
}

interface Command {
  terminal: Terminal;
  log: Logger;
  /** Ends the work early, in order. */
  signal: AbortSignal;
  closeLater: CloseLater;
}

/** Runs `work` with a log, a stop signal and, on a terminal, a live display. */
export async function withTerminal(level: string, work: (command: Command) => Promise<void>): Promise<void> {
  const terminal = openTerminal(level);
  const { log } = terminal;
  await withResources(log, (closeLater) => {
    closeLater(() => terminal.close());
    for (const warning of environmentWarnings()) log.warn(warning);
    return work({ terminal, log, signal: stopSignal(), closeLater });
  });
}

/** Opens what mechanism Y needs, with the schema up to date; starts the dashboard and the live display. */
export async function openPipeline(
  settings: DatabaseSettings & ObjectStoreSettings & DashboardSettings & Pick<Settings, 'CHUNKS_PREFIX'>,
  { terminal, log, closeLater }: Command,
): Promise<Services> {
  const services = await openServices(settings, log);
  closeLater(() => services.close());
  const { config, store } = services;
  await store.checkAccess(settings.CHUNKS_PREFIX);
  await prepareDatabase(services, log);
  const dashboard = await serveDashboard({ config, settings, log, routes: routesOf(services) });
  closeLater(() => dashboard.close());
  closeLater(terminal.follow(config));
  return services;
}
