import type { Kysely } from 'kysely';
import type pg from 'pg';
import { messageOf } from '../errors.js';
import { exportBatches } from './exporter.js';
import { SqlFunctions } from '../database/functions.js';
import { PatientStore } from '../s3/patient-store.js';
import type { Views } from '../database/views.js';
import { SingleFlight } from '../async/single-flight.js';
import { Backlog } from './backlog.js';
import { ChunkLoop } from './chunk-loop.js';
import type { Lane } from './lane.js';
import { Listing } from './listing.js';
import type { LeaderOptions } from './options.js';
import { isOverBy } from './shutdown.js';
import { ViewRefresher } from './view-refresher.js';
import { isDoneWithin } from '../async/time-limit.js';

/** After a signal: how long the chunk in hand may take before it is rolled back, and the last file to be written. */
const FINISH_CHUNK_MS = 3000;
const FINISH_FILES_MS = 1000;

/** The database sessions of a term. */
export interface Sessions {
  control: pg.Client;
  views: Kysely<Views>;
  lanes: readonly Lane[];
}

/**
 * What the elected Y does: beside the loop that applies chunks it lists, exports closed batches and refreshes views.
 * When nothing has come for FLUSH_AFTER_MS, and at the end, it closes the last batch, however short. `until` is
 * aborted by the signal, or when the term is over.
 */
export async function applyChunks(
  options: LeaderOptions,
  { control, views, lanes }: Sessions,
  until: AbortSignal,
): Promise<void> {
  const { settings, log, signal, runId } = options;
  const store = new PatientStore(options.store, log, until);
  const functions = new SqlFunctions(control);
  const backlog = new Backlog(settings.GAP_TIMEOUT_MS, (await functions.lastObjectNumber()) ?? 0n);
  const listing = new Listing({ store, functions, backlog, runId, settings, log });
  const polling = new SingleFlight(() => listing.poll());
  const exporting = new SingleFlight(() => exportBatches(views, functions, store, log));
  const refresher = new ViewRefresher(options.config, log, until);
  const closeLastBatch = () =>
    functions.closeBatches(runId, settings.BATCH_ROWS, settings.DETECTIONS_PREFIX, true);
  let { quietSince } = options;
  let isQuietDone = false;

  const loop = new ChunkLoop({
    store,
    settings,
    backlog,
    listing,
    polling,
    lanes,
    log,
    signal: until,
    onApplied: (event) => {
      options.onProgress();
      options.onApplied?.(event);
      quietSince = performance.now();
      isQuietDone = false;
      if (event.detectionCount > 0) exporting.start();
      exporting.check();
      refresher.whileBusy();
    },
    onRest: async () => {
      exporting.check();
      options.onProgress();
      if (options.isInputOver()) {
        await listing.full();
        if (backlog.hasWork(performance.now())) return false;
        await closeLastBatch();
        exporting.start();
        await exporting.settle();
        await refresher.refresh();
        return true;
      }
      if (!isQuietDone && performance.now() - quietSince >= settings.FLUSH_AFTER_MS) {
        if ((await closeLastBatch()) > 0) exporting.start();
        // files that take long must not keep chunks waiting: it is asked again at the next rest
        isQuietDone = await isDoneWithin(settings.POLL_INTERVAL_MS, exporting.settle(), until);
      }
      if (isQuietDone) {
        refresher.whileQuiet();
        options.onQuiet?.(listing.endSeenAt);
      }
      return false;
    },
  });

  exporting.start(); // what an earlier run closed, and could not write
  try {
    await loop.run();
  } catch (error) {
    if (!isOverBy(signal, error)) throw error;
  }
  if (!signal.aborted) return;

  const isFinished = await isDoneWithin(FINISH_CHUNK_MS, loop.settle());
  if (!isFinished)
    log.warn('the chunk in hand takes too long: it is rolled back, and comes again at the next start');
  const deadline = AbortSignal.timeout(FINISH_FILES_MS);
  const finishFiles = closeLastBatch().then(() =>
    exportBatches(views, functions, store.until(deadline), log),
  );
  const failure = await isDoneWithin(FINISH_FILES_MS, finishFiles).then(
    (isInTime) => (isInTime ? undefined : 'it takes too long'),
    (error: unknown) => {
      if (isOverBy(signal, error) || error === deadline.reason) return messageOf(error);
      throw error;
    },
  );
  if (failure !== undefined)
    log.warn({ reason: failure }, 'the last detections were not written; the next start writes them');
}
