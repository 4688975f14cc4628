import { setTimeout as sleep } from 'node:timers/promises';
import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  metricsSettings,
  objectStoreSettings,
  producerSettings,
  type DetectorSettings,
  type ProducerSettings,
} from '../config.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { openViews } from '../database/connection.js';
import { readStatus } from '../database/status.js';
import { detect } from '../detector/detector.js';
import { pipelineEvents, type Role } from '../events.js';
import type { Logger } from '../log.js';
import { produce } from '../producer/producer.js';
import { generateMissingInput } from './generate-missing-input.js';
import { END_OF_ONCE, openPipeline, printSummary, withTerminal } from './run-pipeline.js';
import type { Services } from './services.js';

/** `npm start`: X and Y together. */
export async function runStart({ once }: { once: boolean }): Promise<void> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    ...producerSettings,
    ...detectorSettings,
    ...dashboardSettings,
    ...metricsSettings,
    'LOG_LEVEL',
  ]);
  await withTerminal(settings.LOG_LEVEL, END_OF_ONCE, async (command) => {
    const { log, signal } = command;
    await generateMissingInput(settings, log, signal);
    if (signal.aborted) return;
    const services = await openPipeline(settings, 'start', command);
    await explainRefusal(services.config, () =>
      produceAndDetect(services, { settings, log, signal, endsWithX: once }),
    );
    await printSummary(services, log);
  });
}

/** How often this Y, while it stands by, asks how far the one that works is. */
const OTHER_Y_MS = 500;

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
  const tellSummary = () => {
    summaryDueFrom = Infinity;
    void printSummary(services, log).then(() => {
      if (!signal.aborted)
        log.info(`listening for new chunks under ${settings.CHUNKS_PREFIX}; Ctrl-C ends it`);
    });
  };
  let role: Role = 'starting';
  const unsubscribe = pipelineEvents.subscribe({ roleChanged: (changed) => void (role = changed) });
  /** While another Y works, the summary is due when its ledger has all chunks, and it has nothing to do. */
  const watchOtherY = async (chunks: number) => {
    const views = openViews(services.config);
    while (!signal.aborted && summaryDueFrom < Infinity) {
      // if the database is away, `detect` says so
      const status = role === 'standing_by' ? await readStatus(views).catch(() => undefined) : undefined;
      const isDone =
        status?.chunks_pending === 0 && status.chunks_applied + status.chunks_quarantined >= chunks;
      if (isDone && summaryDueFrom < Infinity) tellSummary();
      else await sleep(OTHER_Y_MS, undefined, { signal }).catch(() => undefined);
    }
    await views.destroy();
  };
  let watching: Promise<void> | undefined;
  const producing = produce({ store: services.store, settings, log, signal }).then(
    ({ chunks, rows, uploaded }) => {
      hasProduced = true;
      if (!endsWithX && !signal.aborted) {
        summaryDueFrom = performance.now();
        watching = watchOtherY(chunks);
      }
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
      if (endSeenAt >= summaryDueFrom) tellSummary();
    },
  });
  const abortBoth = (error: unknown) => failed.abort(error);
  await Promise.all([producing.catch(abortBoth), detecting.catch(abortBoth)]);
  unsubscribe();
  await watching;
  failed.signal.throwIfAborted();
}
