import { pipelineEvents, type Leader, type Role, type Service } from '../events.js';
import { Rate } from './rate.js';

/** A detection as the display shows it. */
export interface NewestDetection {
  action_type: string;
  reason_text: string;
}

/** The totals when this process was elected. The chunks before that had no events in this process. */
export interface Baseline {
  chunks: number;
  /** Accepted or rejected. */
  rows: number;
  detections: Record<string, number>;
}

/** The state of the pipeline for the display, kept up to date by its events. Times are of `performance.now()`. */
export class Progress {
  /** Rows of X's file; undefined before it was read, and without X. */
  sourceRows: number | undefined;
  produced = { chunks: 0, rows: 0 };
  readonly producing = new Rate();
  /** Undefined without Y. */
  role: Role | undefined;
  /** For whom it stands by. */
  leader: Leader = 'another mechanism Y';
  /** Applied so far, of all runs; undefined until the baseline is known. */
  applied: Baseline | undefined;
  readonly applying = new Rate();
  chunkSeconds: number | undefined;
  /** Detection files written so far, of all runs. */
  files = 0;
  lag: { pendingCount: number; oldestPendingAt: Date | null } | undefined;
  /** Until when that is known. */
  lagUntil = Infinity;
  readonly inTrouble = new Set<Service>();
  newest: readonly NewestDetection[] = [];
  /** The chunks applied since the election, until the baseline is read. */
  #since: { chunkNo: number; rows: number; detections: Record<string, number> }[] = [];

  /**
   * Listens to the pipeline. `onDetections` is called when there are new detections to read, `onElected` when the
   * baseline is to be read. @returns a function that stops this.
   */
  follow(onDetections: () => void, onElected: () => void): () => void {
    return pipelineEvents.subscribe({
      sourceSurveyed: ({ rows }) => {
        this.sourceRows = rows;
      },
      chunkProduced: ({ rows, isNew }) => {
        this.produced.chunks++;
        this.produced.rows += rows;
        if (isNew) this.producing.add(rows, performance.now());
      },
      roleChanged: (role) => {
        if (role === 'ended') return; // the last lines tell what was done
        this.role = role;
        this.applied = undefined;
        this.lag = undefined;
        this.#since = [];
        if (role === 'working') onElected();
      },
      leaderSeen: (leader) => {
        this.leader = leader;
      },
      listed: (listing) => {
        this.lag = listing;
        this.lagUntil = performance.now() + listing.validMs;
      },
      chunkApplied: ({ chunkNo, rowCount, rejectedCount, detections, seconds }) => {
        const chunk = { chunkNo, rows: rowCount + rejectedCount, detections };
        this.applying.add(chunk.rows, performance.now());
        this.chunkSeconds = seconds;
        if (this.applied) this.#add(this.applied, chunk);
        else this.#since.push(chunk);
        if (Object.values(detections).some((count) => count > 0)) onDetections();
      },
      batchWritten: ({ batchNo }) => {
        this.files = batchNo;
      },
      troubleBegan: (service) => void this.inTrouble.add(service),
      troubleEnded: (service) => void this.inTrouble.delete(service),
    });
  }

  /** Sets the totals that were read after the election. */
  start(baseline: Baseline, files: number): void {
    this.files = Math.max(this.files, files);
    this.applied = { ...baseline, detections: { ...baseline.detections } };
    // chunks are numbered in the order in which they are applied: the baseline has those up to its count
    for (const chunk of this.#since) if (chunk.chunkNo > baseline.chunks) this.#add(this.applied, chunk);
    this.#since = [];
  }

  #add(
    applied: Baseline,
    chunk: { chunkNo: number; rows: number; detections: Record<string, number> },
  ): void {
    applied.chunks = chunk.chunkNo;
    applied.rows += chunk.rows;
    for (const [pattern, count] of Object.entries(chunk.detections))
      applied.detections[pattern] = (applied.detections[pattern] ?? 0) + count;
  }
}
