import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { DetectorSettings } from '../config.js';
import { connect, openViews } from '../database.js';
import { messageOf } from '../errors.js';
import { exportBatches } from '../exporter.js';
import { loadImportance } from '../importance.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../object-store.js';
import { SqlFunctions } from '../sql-functions.js';
import type { Views } from '../views.js';
import { Background } from './background.js';
import { Backlog } from './backlog.js';
import { ChunkLoop, type AppliedEvent } from './chunk-loop.js';
import { Lane } from './lane.js';
import { Listing } from './listing.js';
import { ViewRefresher } from './view-refresher.js';

/** How often a Y that stands by asks whether it is its turn. */
const STAND_BY_MS = 500;
/** After a signal: how long the chunk in hand may take before it is rolled back, and the last file to be written. */
const FINISH_CHUNK_MS = 3000;
const FINISH_FILES_MS = 1000;
/** A session that does not end by itself ends with the process. */
const CLOSE_MS = 500;

export interface DetectorOptions {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: DetectorSettings;
  log: Logger;
  /** The first SIGTERM or SIGINT: finish what is in hand. */
  signal: AbortSignal;
  /** Whether no more objects are expected, so that the work ends when none waits; without `--once` never. */
  isInputOver: () => boolean;
  onApplied?: ((event: AppliedEvent) => void) | undefined;
  /** Nothing has come for FLUSH_AFTER_MS, and the last detections are written; called again and again while so. */
  onQuiet?: (() => void) | undefined;
}

export interface ReignOptions extends DetectorOptions {
  runId: number;
  /** When the process began, on the clock of `performance.now()`. */
  bornAt: number;
  /** A chunk is applied, or nothing waits: what was in trouble works. */
  onProgress: () => void;
}

/**
 * One election of Y, on one set of database sessions: from standing by until everything is done, the signal comes, or
 * something fails. Nothing in memory outlives it: after a failure the next reign begins from the ledger.
 */
export async function reign(options: ReignOptions): Promise<void> {
  const { config, settings, log, signal, runId } = options;
  const control = await connect(config);
  const views = openViews(config);
  const lanes: Lane[] = [];
  try {
    if (!(await standBy(new SqlFunctions(control), runId, log, signal))) return;
    await loadImportance(control, views, runId, settings.IMPORTANCE_CSV, log);
    const laneOptions = {
      runId,
      batchRows: settings.BATCH_ROWS,
      detectionsPrefix: settings.DETECTIONS_PREFIX,
    };
    for (let count = 0; count < 2; count++) lanes.push(await Lane.open(config, laneOptions));
    await work(options, control, views, lanes);
  } finally {
    const closing = [views.destroy(), control.end(), ...lanes.map((lane) => lane.close())];
    await within(CLOSE_MS, Promise.allSettled(closing));
  }
}

/** Waits to be elected. @returns false if the signal came first. */
async function standBy(
  functions: SqlFunctions,
  runId: number,
  log: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    if (await functions.tryTakeOver(runId)) {
      if (!isFirst) log.info('taking over');
      return true;
    }
    if (isFirst) log.info('another mechanism Y is at work; standing by');
    await sleep(STAND_BY_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

async function work(
  options: ReignOptions,
  control: pg.Client,
  views: Kysely<Views>,
  lanes: readonly Lane[],
): Promise<void> {
  const { store, settings, log, signal, runId } = options;
  const functions = new SqlFunctions(control);
  const backlog = new Backlog(settings.GAP_TIMEOUT_MS, (await functions.lastObjectNumber()) ?? 0n);
  const listing = new Listing({ store, functions, backlog, runId, settings, log, signal });
  const polling = new Background(() => listing.poll());
  const exportFiles = (until: AbortSignal) => exportBatches(views, functions, store, log, until);
  const exporting = new Background(() => exportFiles(signal));
  const refresher = new ViewRefresher(options.config, log);
  const closeLastBatch = () =>
    functions.closeBatches(runId, settings.BATCH_ROWS, settings.DETECTIONS_PREFIX, true);
  let quietSince = options.bornAt;
  let isQuietDone = false;

  const loop = new ChunkLoop({
    store,
    settings,
    backlog,
    listing,
    polling,
    lanes,
    log,
    signal,
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
        await exporting.settle();
        void refresher.refresh();
        isQuietDone = true;
      }
      if (isQuietDone) options.onQuiet?.();
      return false;
    },
  });

  exporting.start(); // what an earlier run closed, and could not write
  try {
    await loop.run();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (!signal.aborted) return;

  const isFinished = await within(FINISH_CHUNK_MS, loop.settle());
  if (!isFinished)
    log.warn('the chunk in hand takes too long: it is rolled back, and comes again at the next start');
  const deadline = AbortSignal.timeout(FINISH_FILES_MS);
  await within(
    FINISH_FILES_MS,
    closeLastBatch().then(() => exportFiles(deadline)),
  ).catch((error: unknown) =>
    log.warn(
      { reason: messageOf(error) },
      'the last detections were not written; the next start writes them',
    ),
  );
}

/** Whether the promise is kept in this time. @throws what it throws. */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), sleep(ms, false, { signal: timeout.signal })]);
  } finally {
    timeout.abort();
  }
}
