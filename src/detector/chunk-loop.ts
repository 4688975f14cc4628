import { setTimeout as sleep } from 'node:timers/promises';
import type { DetectorSettings } from '../config.js';
import { ContentError } from '../errors.js';
import { pipelineEvents } from '../events.js';
import { routine, type Logger } from '../log.js';
import type { PatientStore } from '../s3/patient-store.js';
import type { SingleFlight } from '../async/single-flight.js';
import type { Backlog, PendingObject } from './backlog.js';
import type { Lane, Outcome, StagedChunk } from './lane.js';
import type { Listing } from './listing.js';
import { streamedObject } from '../loader/object-content.js';
import { Prefetcher } from './prefetcher.js';
import { isDoneWithin } from '../async/time-limit.js';

const A_DAY_MS = 86_400_000;

export interface AppliedEvent {
  chunkNo: number;
  rowCount: number;
  detectionCount: number;
  /** From the first byte of the COPY to the commit. */
  ms: number;
}

export interface ChunkLoopOptions {
  store: PatientStore;
  settings: DetectorSettings;
  backlog: Backlog;
  listing: Listing;
  /** Runs `listing.poll`. */
  polling: SingleFlight;
  /** Two: one is filled while the other is applied. */
  lanes: readonly Lane[];
  log: Logger;
  signal: AbortSignal;
  /** A chunk is in the ledger. */
  onApplied: (event: AppliedEvent) => void;
  /** Nothing waits, no gap is open, nothing is in hand. @returns whether that is the end. */
  onRest: () => Promise<boolean>;
}

/** Takes one chunk after the other from the backlog to the ledger, staging the next while one is applied. */
export class ChunkLoop {
  readonly #prefetcher: Prefetcher;
  #applying: Promise<void> = Promise.resolve();

  constructor(private readonly options: ChunkLoopOptions) {
    this.#prefetcher = new Prefetcher(options.store, options.settings);
  }

  /** Until `onRest` says that it is over, or the signal comes; the chunk being applied then is left to `settle`. */
  async run(): Promise<void> {
    for (let turn = 0; ;) {
      const object = await this.#next();
      if (!object) return;
      const lane = this.options.lanes[turn % this.options.lanes.length]!;
      const staged = await this.#stage(object, lane);
      if (!staged) continue;
      turn++;
      await this.#untilApplied();
      if (this.options.signal.aborted) return; // the end of its session rolls the staged one back
      this.#applying = this.#apply(staged, lane);
      // it is looked at before the next one is applied; until then nobody listens
      this.#applying.catch(() => undefined);
    }
  }

  /** Resolves when no chunk is being applied. @throws what applying it threw. */
  async settle(): Promise<void> {
    await this.#applying;
  }

  /** Until no chunk is being applied, or the signal comes. @throws what applying it threw. */
  async #untilApplied(): Promise<void> {
    while (
      !(await isDoneWithin(A_DAY_MS, this.#applying, this.options.signal)) &&
      !this.options.signal.aborted
    );
  }

  /** The object whose turn it is, as soon as there is one; undefined at the end. */
  async #next(): Promise<PendingObject | undefined> {
    const { backlog, listing, polling, log, signal } = this.options;
    // After each listing there is a look at what it found, even if the next one is due by then.
    for (let hasListed = false; ;) {
      if (signal.aborted) return undefined;
      polling.check();
      const now = performance.now();
      if (now >= listing.dueAt && !hasListed) polling.start();
      const claim = backlog.claim(now, listing.fullAt);
      this.#prefetcher.announce(backlog.upcoming);
      if (claim && 'object' in claim) {
        if (claim.skipped > 0n) {
          log.warn(
            { key: claim.object.key, missing: claim.skipped.toString() },
            'missing numbers passed over',
          );
        }
        return claim.object;
      }
      if (polling.isRunning) {
        await polling.settle();
        hasListed = true;
        continue;
      }
      hasListed = false;
      const untilDue = () => Math.max(0, listing.dueAt - performance.now());
      const isApplied = await isDoneWithin(untilDue(), this.#applying, signal);
      if (isApplied && !claim && !signal.aborted && (await this.options.onRest())) return undefined;
      // a gap is passed over after a listing, so nothing happens before the next one
      await sleep(untilDue(), undefined, { signal });
    }
  }

  /** The object's rows in the lane; undefined if there are none to apply: it is missing, or quarantined. */
  async #stage(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const { settings, backlog, log, signal } = this.options;
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
      if (!(error instanceof ContentError)) throw error;
      await this.#untilApplied();
      if (signal.aborted) return undefined;
      this.#report(object, await lane.quarantine(object, error.message));
      return undefined;
    }
  }

  async #stageFetched(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const fetched = await this.#prefetcher.take(object);
    return fetched && (await lane.stage(object, fetched));
  }

  async #stageStreamed(object: PendingObject, lane: Lane): Promise<StagedChunk | undefined> {
    const { settings, signal } = this.options;
    return this.options.store.retry(async (store) => {
      const fetched = await streamedObject(store, object.key, settings.MAX_CHUNK_BYTES, signal);
      return fetched && (await lane.stage(object, fetched));
    });
  }

  async #apply(staged: StagedChunk, lane: Lane): Promise<void> {
    const start = performance.now();
    const outcome = await lane.apply(staged);
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

  /** One line per object. */
  #report(object: PendingObject, outcome: Outcome): void {
    const { backlog, log } = this.options;
    backlog.markDone(object);
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
    }
  }
}
