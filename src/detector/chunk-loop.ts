import { setTimeout as sleep } from 'node:timers/promises';
import type { DetectorSettings } from '../config.js';
import { ContentError, codeOf } from '../errors.js';
import { pipelineEvents } from '../events.js';
import { routine, type Logger } from '../log.js';
import type { SingleFlight } from '../async/single-flight.js';
import { describeMissing, type Backlog, type PendingObject } from './backlog.js';
import type { Lane, Outcome, StagedChunk } from './lane.js';
import type { Listing } from './listing.js';
import { streamedObject } from '../loader/object-content.js';
import { Prefetcher } from './prefetcher.js';
import { isDoneWithin } from '../async/time-limit.js';
import { isFromStore } from '../s3/store-errors.js';
import type { UnreadableObjects } from './unreadable-objects.js';

export interface AppliedEvent {
  chunkNo: number;
  rowCount: number;
  detectionCount: number;
  /** Of staging it and of applying it up to the commit, without the wait between them. */
  ms: number;
}

export interface ChunkLoopOptions {
  settings: DetectorSettings;
  backlog: Backlog;
  listing: Listing;
  unreadable: UnreadableObjects;
  /** Runs `listing.poll`. */
  polling: SingleFlight;
  /** Two: the loop stages a chunk in one lane while it applies the chunk in the other. */
  lanes: readonly [Lane, Lane];
  log: Logger;
  signal: AbortSignal;
  /** Called when a chunk has been applied. */
  onApplied: (event: AppliedEvent) => void;
  /**
   * Called when no object waits, no gap is open and no chunk is being applied.
   * @returns when it is to be called again at the latest, on the clock of `performance.now()`; undefined ends the loop.
   */
  onRest: () => Promise<number | undefined>;
}

/** Applies the objects of the backlog one after the other, and stages the next one while one is being applied. */
export class ChunkLoop {
  readonly #prefetcher: Prefetcher;
  #hasSaidNoRows = false;
  #applying: Promise<void> = Promise.resolve();
  #applyingLane: Lane | undefined;

  constructor(private readonly options: ChunkLoopOptions) {
    this.#prefetcher = new Prefetcher(options.unreadable, options.settings, options.signal);
  }

  /** Runs until `onRest` returns undefined, or the signal is aborted. `settle` then waits for the chunk being applied. */
  async run(): Promise<void> {
    for (;;) {
      const object = await this.#next();
      if (!object) return;
      // the first whenever it is free: its session has planned its statements
      const [first, second] = this.options.lanes;
      const lane = this.#applyingLane === first ? second : first;
      const staging = this.#stage(object, lane);
      await this.#listingMeanwhile(staging);
      const staged = await staging;
      if (!staged) continue;
      await this.#untilApplied();
      if (this.options.signal.aborted) return; // the staged chunk is rolled back when its session ends
      this.#applying = this.#apply(staged, lane);
      // `#untilApplied` throws its error before the next chunk is applied; until then the error counts as handled
      this.#applying.catch(() => undefined);
    }
  }

  /** Waits for the chunk that is being applied. @throws the error of applying it. */
  async settle(): Promise<void> {
    await this.#applying;
  }

  /** Waits for the chunk that is being applied, or for the signal. @throws the error of applying it. */
  async #untilApplied(): Promise<void> {
    await this.#listingMeanwhile(this.#applying);
  }

  /** Waits for the work, or for the signal, and lists the bucket meanwhile, so that the lag stays known. @throws its error. */
  async #listingMeanwhile(work: Promise<unknown>): Promise<void> {
    const { listing, polling, settings, signal } = this.options;
    for (let now = performance.now(); !signal.aborted; now = performance.now()) {
      const ms = Math.max(settings.POLL_INTERVAL_MS, listing.dueAt - now);
      if (await isDoneWithin(ms, work, signal)) return;
      if (!polling.isRunning && !signal.aborted) polling.start();
    }
  }

  /** Waits for the next object to apply; undefined at the end. */
  async #next(): Promise<PendingObject | undefined> {
    const { backlog, listing, polling, unreadable, log, signal } = this.options;
    // After each listing the backlog is asked first, even if the next listing is due by then.
    for (let hasListed = false; ;) {
      if (signal.aborted) return undefined;
      polling.check();
      const now = performance.now();
      if (now >= listing.dueAt && !hasListed) polling.start();
      unreadable.askAgain(now);
      const claim = backlog.claim(now, listing.fullAt);
      this.#prefetcher.readAhead(backlog.upcoming);
      if (claim && 'object' in claim) {
        const { object } = claim;
        const missing = describeMissing(claim, unreadable.reportPassed(claim.lostKeys));
        if (missing !== '') {
          log.warn(
            { key: object.key, missing },
            `missing ${object.number === null ? 'objects' : 'numbers'} passed over`,
          );
        }
        return object;
      }
      if (polling.isRunning) {
        await polling.settle();
        hasListed = true;
        continue;
      }
      hasListed = false;
      const untilDue = () => Math.max(0, listing.dueAt - performance.now());
      const isApplied = await isDoneWithin(untilDue(), this.#applying, signal);
      let restEndsAt: number | undefined = Infinity;
      if (isApplied && !claim && !signal.aborted) restEndsAt = await this.options.onRest();
      if (restEndsAt === undefined) return undefined;
      // the backlog passes over a gap only after a listing, so nothing changes before the next one
      await sleep(Math.max(0, Math.min(listing.dueAt, restEndsAt) - performance.now()), undefined, {
        signal,
      });
    }
  }

  /** Stages the object in the lane; undefined if the object is missing, or is now quarantined. */
  async #stage(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const { settings, backlog, unreadable, log, signal } = this.options;
    try {
      if (object.size > settings.MAX_CHUNK_BYTES) {
        throw new ContentError('tooLarge', settings.MAX_CHUNK_BYTES);
      }
      const staged = this.#prefetcher.fits(object)
        ? await this.#stageFetched(object, lane)
        : await this.#stageStreamed(object, lane);
      if (!staged) {
        log.debug({ key: object.key }, 'listed, but not there');
        backlog.markMissing(object, performance.now());
      }
      return staged;
    } catch (error) {
      if (await unreadable.hold(object, error)) return undefined;
      if (!(error instanceof ContentError)) throw error;
      await this.#untilApplied();
      if (signal.aborted) return undefined;
      this.#report(object, await lane.quarantine(object, error.message));
      return undefined;
    }
  }

  async #stageFetched(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const fetched = await this.#prefetcher.take(object);
    if (fetched === 'tooLarge') return this.#stageStreamed(object, lane);
    return fetched && (await lane.stage(object, fetched));
  }

  async #stageStreamed(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const { settings, unreadable, signal } = this.options;
    const { key, size } = object;
    const outcome = await unreadable.read(key, async (store) => {
      const fetched = await streamedObject(store, key, settings.MAX_CHUNK_BYTES, signal, size);
      try {
        return { staged: fetched && (await lane.stage(object, fetched)) };
      } catch (error) {
        // A lost session of the database has the code of a lost connection to the store, whose errors bear $metadata or
        // have no code. `read` must not see it: it would try again in the lost session, then give up the object.
        if (codeOf(error) === undefined || isFromStore(error)) throw error;
        fetched?.discard();
        return { error };
      }
    });
    if ('error' in outcome) throw outcome.error;
    return outcome.staged;
  }

  async #apply(staged: StagedChunk, lane: Lane): Promise<void> {
    const start = performance.now();
    this.#applyingLane = lane;
    const outcome = await lane.apply(staged);
    // not after an error: its transaction is open then, and the next chunk must not be staged in it
    this.#applyingLane = undefined;
    const ms = staged.copyMs + performance.now() - start;
    this.#report(staged.object, outcome);
    if (outcome.kind !== 'applied') return;
    const { chunkNo, rowCount, rejectedCount, timings } = outcome.chunk;
    const stepSeconds = Object.fromEntries(
      Object.entries(timings).map(([step, each]) => [step, each / 1000]),
    );
    const { detections } = outcome;
    pipelineEvents.publish('chunkApplied', {
      ...{ chunkNo, rowCount, rejectedCount, detections, stepSeconds },
      seconds: ms / 1000,
    });
    this.options.onApplied({ ...outcome.chunk, ms });
  }

  /** Logs the outcome of an object in one line. An object that was in the ledger already is not logged. */
  #report(object: PendingObject, outcome: Outcome): void {
    const { backlog, unreadable, log } = this.options;
    backlog.markDone(object);
    unreadable.markDone(object.key);
    if (outcome.kind === 'quarantined') {
      pipelineEvents.publish('chunkQuarantined', { key: object.key });
      log.warn({ key: object.key, reason: outcome.error }, 'object quarantined');
    } else if (outcome.kind === 'applied') {
      const { chunkNo, rowCount, rejectedCount, detectionCount, isLate, timings } = outcome.chunk;
      const ms = Math.round(Object.values(timings).reduce((sum, step) => sum + step, 0));
      log.info(
        {
          ...(rejectedCount === 0 && !isLate && routine),
          chunk: chunkNo,
          key: object.key,
          rows: rowCount,
          ...(rejectedCount > 0 && { rejected: rejectedCount }),
          ...(isLate && { late: true }),
          detections: detectionCount,
          ms,
        },
        'chunk applied',
      );
      if (rowCount === 0 && rejectedCount > 0 && !this.#hasSaidNoRows) {
        this.#hasSaidNoRows = true;
        log.warn(
          { key: object.key, rejected: rejectedCount },
          'no row of this object is accepted: the table rejected_rows says why (npm run psql); this is said once',
        );
      }
      for (const { patternId, reason } of outcome.newest) {
        log.info({ ...routine, chunk: chunkNo, pattern: patternId, reason }, 'detected');
      }
    }
  }
}
