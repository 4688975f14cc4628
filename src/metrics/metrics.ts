import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { pipelineEvents, type PipelineEvents } from '../events.js';
import { version } from '../config.js';
import { PatternCounter } from './pattern-counter.js';

/** The steps of a chunk, as process_chunk times them. */
const STEPS = ['copy', 'accept', 'pairs', 'merchants', 'detect'];

/** Seconds, from a quick step to a chunk in trouble; each bound is two to three times the one before. */
const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * The metrics of this process for Prometheus. As Prometheus expects, counters begin at 0 with the process; the database
 * has the totals of all processes. Create it before the pipeline starts, so that it misses no event, and close it.
 */
export class Metrics {
  readonly registry = new Registry();
  /** The last listing, and until when it holds; undefined while this process is not the Y that works. */
  #listing: (PipelineEvents['listed'][0] & { expiresAt: number }) | undefined;
  /** Stops listening to the pipeline's events. */
  readonly close: () => void;

  constructor(command: string) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const counter = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
      new Counter({ name: `bankpulse_${name}`, help, labelNames, registers });
    const histogram = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
      new Histogram({ name: `bankpulse_${name}`, help, labelNames, registers, buckets: STEP_BUCKETS });

    const chunksUploaded = counter('chunks_uploaded_total', 'Chunks mechanism X wrote to the bucket.');
    const rowsUploaded = counter(
      'rows_uploaded_total',
      'Rows of the chunks mechanism X wrote to the bucket.',
    );
    const upload = histogram('upload_duration_seconds', 'Time to write a chunk to the bucket, with retries.');
    const chunksApplied = counter('chunks_applied_total', 'Chunks mechanism Y applied.');
    const chunksQuarantined = counter(
      'chunks_quarantined_total',
      'Objects mechanism Y set aside because of their content.',
    );
    const rowsApplied = counter('rows_applied_total', 'Rows accepted.');
    const rowsRejected = counter('rows_rejected_total', 'Rows of applied chunks that were rejected.');
    const detections = new PatternCounter({
      name: 'bankpulse_detections_total',
      help: 'New detections.',
      registers,
    });
    const chunk = histogram(
      'chunk_duration_seconds',
      'Time of staging a chunk and of applying it up to the commit.',
    );
    const step = histogram('step_duration_seconds', 'Time of a chunk in each step.', ['step']);
    const batches = counter('batches_written_total', 'Detection files written to the bucket.');
    const batchRows = counter('batch_rows_written_total', 'Detections in the files written to the bucket.');
    const retries = counter('retries_total', 'Attempts that failed and were followed by another.', [
      'service',
    ]);
    const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) => {
      const made = new Gauge({ name: `bankpulse_${name}`, help, labelNames, registers });
      if (labelNames.length === 0) made.remove(); // no value is known yet, not even 0
      return made;
    };
    const isInTrouble = gauge(
      'service_in_trouble',
      '1 while calls to the service are not answered, or fail and are tried again.',
      ['service'],
    );
    const isWorking = gauge(
      'is_working',
      '1 if this is the mechanism Y that works, 0 if another one does, or none yet.',
    );
    const isRebuilding = gauge(
      'is_rebuilding',
      '1 while this mechanism Y stands by for npm run rebuild, which is at work.',
    );
    const quarantined = gauge(
      'objects_quarantined',
      'Objects that are quarantined, as of the last listing; only of the mechanism Y that works.',
    );
    const filesToWrite = gauge(
      'files_to_write',
      'Detection files that are to be written, as of the last listing; only of the mechanism Y that works.',
    );
    const lastUpload = gauge(
      'last_upload_timestamp_seconds',
      'When mechanism X of this process last wrote a chunk to the bucket.',
    );
    const lastChunk = gauge('last_chunk_timestamp_seconds', 'When the newest chunk was applied.');
    const lastListing = gauge(
      'last_listing_timestamp_seconds',
      'When mechanism Y of this process last had an answer to a listing of the bucket.',
    );
    const info = gauge('info', '1, with the version, the command and the run of this process.', [
      'version',
      'command',
      'run',
    ]);
    info.set({ version, command, run: '' }, 1);
    this.#addLag(registers);

    // each series exists from the start: a rate needs the 0 before its first event
    for (const name of STEPS) step.zero({ step: name });
    for (const service of ['database', 'object_store']) {
      retries.inc({ service }, 0);
      isInTrouble.set({ service }, 0);
    }
    let isInTerm = false;
    this.close = pipelineEvents.subscribe({
      patternsKnown: (patterns) => {
        for (const pattern of patterns) detections.begin(pattern);
      },
      chunkProduced: ({ rows, isNew, seconds }) => {
        if (!isNew) return;
        chunksUploaded.inc();
        rowsUploaded.inc(rows);
        if (seconds !== undefined) upload.observe(seconds);
        lastUpload.setToCurrentTime();
      },
      chunkApplied: (applied) => {
        chunksApplied.inc();
        rowsApplied.inc(applied.rowCount);
        rowsRejected.inc(applied.rejectedCount);
        for (const [pattern, count] of Object.entries(applied.detections)) detections.add(pattern, count);
        lastChunk.setToCurrentTime();
        for (const [name, seconds] of Object.entries(applied.stepSeconds))
          step.observe({ step: name }, seconds);
        chunk.observe(applied.seconds);
      },
      chunkQuarantined: () => chunksQuarantined.inc(),
      batchWritten: ({ rows }) => {
        batches.inc();
        batchRows.inc(rows);
      },
      retried: (service) => retries.inc({ service }),
      troubleBegan: (service) => isInTrouble.set({ service }, 1),
      troubleEnded: (service) => isInTrouble.set({ service }, 0),
      listed: (listing) => {
        this.#listing = { ...listing, expiresAt: performance.now() + listing.validMs };
        lastListing.setToCurrentTime();
      },
      totalsRead: (totals) => {
        if (!isInTerm) return; // an answer that comes after the end of the term
        quarantined.set(totals.quarantined);
        filesToWrite.set(totals.filesToWrite);
        if (totals.lastAppliedAt) lastChunk.set(totals.lastAppliedAt.getTime() / 1000);
      },
      leaderSeen: (leader) => isRebuilding.set(leader === 'npm run rebuild' ? 1 : 0),
      runRegistered: (runId) => {
        info.reset();
        info.set({ version, command, run: String(runId) }, 1);
      },
      roleChanged: (role) => {
        isInTerm = role === 'working';
        isWorking.set(isInTerm ? 1 : 0);
        isRebuilding.set(0);
        if (isInTerm) return;
        this.#listing = undefined;
        quarantined.remove();
        filesToWrite.remove();
      },
    });
  }

  /** The lag as in pipeline_status, but at the time of the scrape. Without a current listing there is no value, not 0. */
  #addLag(registers: Registry[]): void {
    const listing = () =>
      this.#listing && performance.now() < this.#listing.expiresAt ? this.#listing : undefined;
    new Gauge({
      name: 'bankpulse_lag_chunks',
      help: 'Objects that wait in the bucket, as of the last listing; only of the mechanism Y that works.',
      registers,
      collect() {
        this.remove();
        const { pendingCount } = listing() ?? {};
        if (pendingCount !== undefined) this.set(pendingCount);
      },
    });
    new Gauge({
      name: 'bankpulse_lag_seconds',
      help: 'How long the oldest object that waits has been in the bucket; only of the mechanism Y that works.',
      registers,
      collect() {
        this.remove();
        const last = listing();
        const since = last?.oldestPendingAt?.getTime();
        if (last) this.set(since === undefined ? 0 : Math.max(0, (Date.now() - since) / 1000));
      },
    });
  }
}
