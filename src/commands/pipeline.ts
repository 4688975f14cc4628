import { closeAfter, type CloseLater } from '../closing.js';
import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  objectStoreSettings,
  producerSettings,
  type DashboardSettings,
  type DatabaseSettings,
  type DetectorSettings,
  type ObjectStoreSettings,
  type ProducerSettings,
  type Settings,
} from '../config.js';
import { connectOrExplain, openViews } from '../database.js';
import { serveDashboard, type Routes } from '../dashboard/server.js';
import { detect } from '../detector/detector.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { produce } from '../producer.js';
import { explainDenial, migrateIfPending } from '../schema.js';
import { openObjectStore, openServices, type Services } from '../services.js';
import { stopSignal } from '../signals.js';
import { describeStatus, readQuarantined, readStatus } from '../status.js';
import { openTerminal, type Terminal } from '../terminal/terminal.js';
import { generateMissingInput } from './generate.js';

/** Results of the pipeline so far, on stdout. Without a database there are none to print, which is only said. */
async function printSummary(services: Services, log: Logger): Promise<void> {
  const views = openViews(services.config);
  try {
    const status = describeStatus(await readStatus(views), await readQuarantined(views));
    process.stdout.write(`${status}\n\nTo look at the detections: npm run psql\n`);
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'no summary: the database cannot be read');
  } finally {
    await views.destroy();
  }
}

/** What the dashboard's server answers besides. */
const routesOf = (services: Services): Routes[] => [
  async (server) => {
    const { metricsRoutes, pingDatabase } = await import('../metrics-routes.js');
    await server.register(metricsRoutes, { ping: pingDatabase(services.config) });
  },
];

async function prepareDatabase(services: Services, log: Logger): Promise<void> {
  const client = await connectOrExplain(services.config);
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

/** Runs `work` with a log, on a terminal a live display, and a stop signal. */
async function withTerminal(level: string, work: (command: Command) => Promise<void>): Promise<void> {
  const terminal = openTerminal(level);
  const { log } = terminal;
  await closeAfter(log, (closeLater) => {
    closeLater(() => terminal.close());
    return work({ terminal, log, signal: stopSignal(), closeLater });
  });
}

/** All that mechanism Y needs, ready for it; dashboard and display follow it. */
async function openPipeline(
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

/** `npm run produce`: mechanism X alone. */
export async function runProduce(): Promise<void> {
  const settings = loadSettings([...objectStoreSettings, ...producerSettings, 'IMPORTANCE_CSV', 'LOG_LEVEL']);
  await withTerminal(settings.LOG_LEVEL, async ({ log, signal, closeLater }) => {
    await generateMissingInput(settings, log);
    const { store, close } = await openObjectStore(settings, log);
    closeLater(close);
    const { chunks, rows, uploaded, skipped } = await produce({ store, settings, log, signal });
    process.stdout.write(`${chunks} chunks, ${rows} rows: ${uploaded} written, ${skipped} were there\n`);
  });
}

/** `npm run detect`: mechanism Y alone. */
export async function runDetect({ once }: { once: boolean }): Promise<void> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    ...detectorSettings,
    ...dashboardSettings,
    'LOG_LEVEL',
  ]);
  await withTerminal(settings.LOG_LEVEL, async (command) => {
    const { log, signal } = command;
    const services = await openPipeline(settings, command);
    await explainDenial(services.config, () =>
      detect({ ...services, settings, log, signal, isInputOver: () => once }),
    );
    await printSummary(services, log);
  });
}

/** `npm start`: X and Y together. */
export async function runStart({ once }: { once: boolean }): Promise<void> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    ...producerSettings,
    ...detectorSettings,
    ...dashboardSettings,
    'LOG_LEVEL',
  ]);
  await withTerminal(settings.LOG_LEVEL, async (command) => {
    const { log, signal } = command;
    await generateMissingInput(settings, log);
    const services = await openPipeline(settings, command);
    await explainDenial(services.config, () =>
      produceAndDetect(services, { settings, log, signal, endsWithX: once }),
    );
    await printSummary(services, log);
  });
}

interface Both {
  settings: ProducerSettings & DetectorSettings;
  log: Logger;
  signal: AbortSignal;
  /** Y ends when X has no more rows and all is dealt with; else there is a summary then, and it goes on. */
  endsWithX: boolean;
}

/** X and Y side by side: whoever fails first ends the other in order. @throws the error of that one. */
async function produceAndDetect(
  services: Services,
  { settings, log, signal: stop, endsWithX }: Both,
): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, failed.signal]);
  let hasProduced = false;
  let isSummaryDue = false;
  const producing = produce({ store: services.store, settings, log, signal }).then(
    ({ chunks, rows, uploaded }) => {
      hasProduced = true;
      isSummaryDue = !endsWithX && !signal.aborted;
      if (!signal.aborted) log.info({ chunks, rows, uploaded }, 'mechanism X has no more rows');
    },
  );
  const detecting = detect({
    ...services,
    settings,
    log,
    signal,
    isInputOver: () => endsWithX && hasProduced,
    onQuiet: () => {
      if (!isSummaryDue) return;
      isSummaryDue = false;
      void printSummary(services, log);
    },
  });
  const abortBoth = (error: unknown) => failed.abort(error);
  await Promise.all([producing.catch(abortBoth), detecting.catch(abortBoth)]);
  failed.signal.throwIfAborted();
}
