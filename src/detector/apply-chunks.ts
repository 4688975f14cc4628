import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { ChunkOrder } from '../config.js';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { exportBatches } from './exporter.js';
import { confirmPlace } from './file-owner.js';
import { SqlFunctions } from '../database/functions.js';
import { PatientStore } from '../s3/patient-store.js';
import type { Views } from '../database/views.js';
import { SingleFlight } from '../async/single-flight.js';
import { Backlog } from './backlog.js';
import { ChunkLoop } from './chunk-loop.js';
import type { Lane } from './lane.js';
import { Listing } from './listing.js';
import type { LeaderOptions } from './options.js';
import { isIgnorableAfter } from './shutdown.js';
import { takeOverFiles } from './take-over.js';
import { WeightsCheck } from './weights-check.js';
import { ViewRefresher } from './view-refresher.js';
import { isDoneWithin } from '../async/time-limit.js';
import { ReplacedObjects } from './replaced-objects.js';
import { UnreadableObjects } from './unreadable-objects.js';

/** After a signal, the chunk that is being applied may take this long; then it is rolled back. */
const FINISH_CHUNK_MS = 3000;
/** After a signal, writing the last detection files may take this long; then the next start writes them. */
const FINISH_FILES_MS = 1000;

/** The database sessions of one term as leader. */
export interface Sessions {
  control: pg.Client;
  views: Kysely<Views>;
  lanes: readonly [Lane, Lane];
}

/** @throws UserError if the chunks of the ledger were applied in another order. */
async function checkChunkOrder(functions: SqlFunctions, chunkOrder: ChunkOrder): Promise<void> {
  try {
    await functions.checkChunkOrder(chunkOrder);
  } catch (error) {
    if (!hasSqlState(error, 'chunkOrderDiffers')) throw error;
    throw new UserError(
      `${messageOf(error)}, and CHUNK_ORDER is ${chunkOrder} now: a database keeps its order; set CHUNK_ORDER as it was, or use another database`,
    );
  }
}

/**
 * The work of the elected Y: it applies chunks, and beside that lists the bucket, exports closed batches and refreshes
 * the materialized views. After FLUSH_AFTER_MS without a chunk, and at the end, it closes the last batch even if the
 * batch is not full. `until` is aborted by the signal, or when the term ends.
 */
export async function applyChunks(
  options: LeaderOptions,
  { control, views, lanes }: Sessions,
  until: AbortSignal,
): Promise<void> {
  const { settings, log, signal, runId } = options;
  const store = new PatientStore(options.store, log, until);
  const functions = new SqlFunctions(control);
  await checkChunkOrder(functions, settings.CHUNK_ORDER);
  await confirmPlace({ client: control, config: options.config, settings, store });
  await takeOverFiles(functions, store, runId, settings.DETECTIONS_PREFIX, log);
  const position = settings.CHUNK_ORDER === 'name' ? null : ((await functions.lastObjectNumber()) ?? 0n);
  const backlog = new Backlog(settings.GAP_TIMEOUT_MS, position);
  const replaced = new ReplacedObjects({ store, functions, log, signal: until });
  const listing = new Listing({ store, functions, views, backlog, replaced, runId, settings, log });
  const unreadable = new UnreadableObjects({
    ...{ store, backlog, log, signal: until },
    chunksPrefix: settings.CHUNKS_PREFIX,
    stuckMs: options.stuckMs,
  });
  const polling = new SingleFlight(() => listing.poll());
  const exporting = new SingleFlight(() => exportBatches(views, functions, store, log));
  const weightsCheck = new WeightsCheck(views, log);
  const refresher = new ViewRefresher(options.config, log, until);
  const closeLastBatch = () =>
    functions.closeBatches(runId, settings.BATCH_ROWS, settings.DETECTIONS_PREFIX, true);
  let { quietSince } = options;
  let isQuietDone = false;

  const loop = new ChunkLoop({
    settings,
    backlog,
    listing,
    unreadable,
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
      weightsCheck.onApplied();
    },
    onRest: async () => {
      exporting.check();
      options.onProgress();
      if (options.isInputOver()) {
        await listing.full();
        if (backlog.hasWork(performance.now())) return Infinity;
        await closeLastBatch();
        exporting.start();
        await exporting.settle();
        await refresher.refresh();
        await weightsCheck.settle();
        // meanwhile an object may have become readable
        if (backlog.hasWork(performance.now())) return Infinity;
        assertAllRead(unreadable);
        return undefined;
      }
      if (!isQuietDone && performance.now() - quietSince >= settings.FLUSH_AFTER_MS) {
        if ((await closeLastBatch()) > 0) exporting.start();
        // a slow export must not delay chunks: this waits for a short time, and again at the next rest
        isQuietDone = await isDoneWithin(settings.POLL_INTERVAL_MS, exporting.settle(), until);
      }
      if (isQuietDone) {
        refresher.whileQuiet();
        void weightsCheck.settle();
        options.onQuiet?.(listing.endSeenAt);
        return Infinity;
      }
      return quietSince + settings.FLUSH_AFTER_MS;
    },
  });

  exporting.start(); // batches that an earlier run closed but did not export
  try {
    await loop.run();
  } catch (error) {
    if (!isIgnorableAfter(signal, error)) throw error;
  }
  if (!signal.aborted) return;

  const isFinished = await isDoneWithin(FINISH_CHUNK_MS, loop.settle());
  if (!isFinished)
    log.warn('the current chunk takes too long: it is rolled back, and the next start applies it');
  const deadline = AbortSignal.timeout(FINISH_FILES_MS);
  const finishFiles = closeLastBatch().then(() =>
    exportBatches(views, functions, store.until(deadline), log),
  );
  const failure = await isDoneWithin(FINISH_FILES_MS, finishFiles).then(
    (isInTime) => (isInTime ? undefined : 'it takes too long'),
    (error: unknown) => {
      if (isIgnorableAfter(signal, error) || error === deadline.reason) return messageOf(error);
      throw error;
    },
  );
  if (failure !== undefined)
    log.warn({ reason: failure }, 'the last detections were not written; the next start writes them');
}

/** @throws UserError at the end of the input if objects were listed and could not be read. */
function assertAllRead({ reasons }: UnreadableObjects): void {
  const [first] = reasons;
  if (!first) return;
  const others = reasons.length === 1 ? '' : `, and ${reasons.length - 1} more`;
  throw new UserError(
    `not applied, since it cannot be read: ${first.key}${others}. ${first.key}: ${first.reason}. All other objects are applied or quarantined; start again when it can be read`,
  );
}
