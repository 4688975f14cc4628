import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { pipelineEvents, type PipelineEvents } from '../events.js';

/** Seconds, from a quick step to a chunk in trouble; each bound is two to three times the one before. */
const STEP_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * The metrics of this process for Prometheus. As Prometheus expects, counters begin at 0 with the process; the database
 * has the totals of all processes. Create it before the pipeline starts, so that it misses no event, and close it.
 */
export class Metrics {
  readonly registry = new Registry();
  /** The last listing; undefined while this process is not the Y that works. */
  #listing: PipelineEvents['listed'][0] | undefined;
  /** Stops listening to the pipeline's events. */
  readonly close: () => void;

  constructor() {
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
    const detections = counter('detections_total', 'New detections.', ['pattern']);
    const chunk = histogram(
      'chunk_duration_seconds',
      'Time of a chunk in its COPY and in its application up to the commit.',
    );
    const step = histogram('step_duration_seconds', 'Time of a chunk in each step.', ['step']);
    const batches = counter('batches_written_total', 'Detection files written to the bucket.');
    const batchRows = counter('batch_rows_written_total', 'Detections in the files written to the bucket.');
    const retries = counter('retries_total', 'Attempts that failed and were followed by another.', [
      'service',
    ]);
    const isInTrouble = new Gauge({
      name: 'bankpulse_service_in_trouble',
      help: '1 while calls to the service fail and are tried again.',
      labelNames: ['service'],
      registers,
    });
    const isWorking = new Gauge({
      name: 'bankpulse_is_working',
      help: '1 if this is the mechanism Y that works, 0 if another one does, or none yet.',
      registers,
    });
    this.#addLag(registers);

    // each series exists from the start: a rate needs the 0 before its first event
    for (const service of ['database', 'object_store']) {
      retries.inc({ service }, 0);
      isInTrouble.set({ service }, 0);
    }
    this.close = pipelineEvents.subscribe({
      patternsKnown: (patterns) => {
        for (const pattern of patterns) detections.inc({ pattern }, 0);
      },
      chunkProduced: ({ rows, isNew, seconds }) => {
        if (!isNew) return;
        chunksUploaded.inc();
        rowsUploaded.inc(rows);
        if (seconds !== undefined) upload.observe(seconds);
      },
      chunkApplied: (applied) => {
        chunksApplied.inc();
        rowsApplied.inc(applied.rowCount);
        rowsRejected.inc(applied.rejectedCount);
        for (const [pattern, count] of Object.entries(applied.detections)) detections.inc({ pattern }, count);
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
        this.#listing = listing;
      },
      roleChanged: (role) => {
        isWorking.set(role === 'working' ? 1 : 0);
        if (role !== 'working') this.#listing = undefined;
      },
    });
  }

  /** The lag as in pipeline_status, but at the time of the scrape. Without a listing there is no value, instead of 0. */
  #addLag(registers: Registry[]): void {
    const listing = () => this.#listing;
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
