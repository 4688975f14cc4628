import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  objectStoreSettings,
  producerSettings,
  type DetectorSettings,
  type ProducerSettings,
} from '../config.js';
import { detect } from '../detector/detector.js';
import type { Logger } from '../log.js';
import { produce } from '../producer/producer.js';
import { explainDenial } from '../database/schema.js';
import { openObjectStore, type Services } from './services.js';
import { generateMissingInput } from './generate.js';
import { openPipeline, printSummary, withTerminal } from './open-pipeline.js';

/** `npm run produce`: mechanism X alone. */
export async function runProduce(): Promise<void> {
  const settings = loadSettings([...objectStoreSettings, ...producerSettings, 'IMPORTANCE_CSV', 'LOG_LEVEL']);
  await withTerminal(settings.LOG_LEVEL, async ({ log, signal, closeLater }) => {
    await generateMissingInput(settings, log, signal);
    if (signal.aborted) return;
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
    await generateMissingInput(settings, log, signal);
    if (signal.aborted) return;
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
  let summaryDueFrom = Infinity;
  const producing = produce({ store: services.store, settings, log, signal }).then(
    ({ chunks, rows, uploaded }) => {
      hasProduced = true;
      if (!endsWithX && !signal.aborted) summaryDueFrom = performance.now();
      if (!signal.aborted) log.info({ chunks, rows, uploaded }, 'mechanism X has no more rows');
    },
  );
  const detecting = detect({
    ...services,
    settings,
    log,
    signal,
    isInputOver: () => endsWithX && hasProduced,
    onQuiet: (endSeenAt) => {
      // not of a listing that began before X's last put
      if (endSeenAt < summaryDueFrom) return;
      summaryDueFrom = Infinity;
      void printSummary(services, log);
    },
  });
  const abortBoth = (error: unknown) => failed.abort(error);
  await Promise.all([producing.catch(abortBoth), detecting.catch(abortBoth)]);
  failed.signal.throwIfAborted();
}
