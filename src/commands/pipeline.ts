import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  objectStoreSettings,
  producerSettings,
} from '../config.js';
import { connectOrExplain, openViews } from '../database.js';
import { serveDashboard, type Dashboard, type Routes } from '../dashboard/server.js';
import { detect } from '../detector/detector.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { produce } from '../producer.js';
import { explainDenial, migrateIfPending } from '../schema.js';
import { openObjectStore, openServices, type Services } from '../services.js';
import { stopSignal } from '../signals.js';
import { describeStatus, readQuarantined, readStatus } from '../status.js';
import { openTerminal } from '../terminal/terminal.js';
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

/** `npm run produce`: mechanism X alone. */
export async function runProduce(): Promise<void> {
  const settings = loadSettings([...objectStoreSettings, ...producerSettings, 'IMPORTANCE_CSV', 'LOG_LEVEL']);
  const terminal = openTerminal(settings.LOG_LEVEL);
  const { log } = terminal;
  const signal = stopSignal();
  await generateMissingInput(settings, log);
  const objectStore = await openObjectStore(settings, log);
  try {
    const { store } = objectStore;
    const { chunks, rows, uploaded, skipped } = await produce({ store, settings, log, signal });
    process.stdout.write(`${chunks} chunks, ${rows} rows: ${uploaded} written, ${skipped} were there\n`);
  } finally {
    await terminal.close();
    await objectStore.close();
  }
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
  const terminal = openTerminal(settings.LOG_LEVEL);
  const { log } = terminal;
  const signal = stopSignal();
  const services = await openServices(settings, log);
  let dashboard: Dashboard | undefined;
  try {
    await services.store.checkAccess(settings.CHUNKS_PREFIX);
    await prepareDatabase(services, log);
    dashboard = await serveDashboard({ config: services.config, settings, log, routes: routesOf(services) });
    terminal.follow(services.config);
    await explainDenial(services.config, () =>
      detect({ ...services, settings, log, signal, isInputOver: () => once }),
    );
    await printSummary(services, log);
  } finally {
    await terminal.close();
    await dashboard?.close();
    await services.close();
  }
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
  const terminal = openTerminal(settings.LOG_LEVEL);
  const { log } = terminal;
  const failed = new AbortController();
  const signal = AbortSignal.any([stopSignal(), failed.signal]);
  await generateMissingInput(settings, log);
  const services = await openServices(settings, log);
  let dashboard: Dashboard | undefined;
  try {
    await prepareDatabase(services, log);
    dashboard = await serveDashboard({ config: services.config, settings, log, routes: routesOf(services) });
    terminal.follow(services.config);
    let hasProduced = false;
    let isSummaryDue = false;
    const producing = produce({ store: services.store, settings, log, signal }).then(
      ({ chunks, rows, uploaded }) => {
        hasProduced = true;
        isSummaryDue = !once && !signal.aborted;
        if (!signal.aborted) log.info({ chunks, rows, uploaded }, 'mechanism X has no more rows');
      },
    );
    const detecting = detect({
      ...services,
      settings,
      log,
      signal,
      isInputOver: () => once && hasProduced,
      onQuiet: () => {
        if (!isSummaryDue) return;
        isSummaryDue = false;
        void printSummary(services, log);
      },
    });
    // whoever fails first ends the other in order; its error is the command's
    const abortBoth = (error: unknown) => failed.abort(error);
    await Promise.all([producing.catch(abortBoth), detecting.catch(abortBoth)]);
    await explainDenial(services.config, () => Promise.resolve(failed.signal.throwIfAborted()));
    await printSummary(services, log);
  } finally {
    await terminal.close();
    await dashboard?.close();
    await services.close();
  }
}
