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
import { explainRefusal } from '../database/explain-refusal.js';
import { detect } from '../detector/detector.js';
import type { Logger } from '../log.js';
import { produce } from '../producer/producer.js';
import { generateMissingInput } from './generate-missing-input.js';
import { openPipeline, printSummary, withTerminal } from './run-pipeline.js';
import type { Services } from './services.js';

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
    await explainRefusal(services.config, () =>
      produceAndDetect(services, { settings, log, signal, endsWithX: once }),
    );
    await printSummary(services, log);
  });
}

interface StartOptions {
  settings: ProducerSettings & DetectorSettings;
  log: Logger;
  signal: AbortSignal;
  /** Y ends once X has no more rows and nothing waits; otherwise it prints a summary at that moment and goes on. */
  endsWithX: boolean;
}

/** Runs X and Y side by side: if one fails, the other ends in order. @throws the first error. */
async function produceAndDetect(
  services: Services,
  { settings, log, signal: stop, endsWithX }: StartOptions,
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
      // a listing that began before X's last put may lack the last chunk
      if (endSeenAt < summaryDueFrom) return;
      summaryDueFrom = Infinity;
      void printSummary(services, log);
    },
  });
  const abortBoth = (error: unknown) => failed.abort(error);
  await Promise.all([producing.catch(abortBoth), detecting.catch(abortBoth)]);
  failed.signal.throwIfAborted();
}
