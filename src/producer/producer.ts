import { chunkName } from '../s3/chunk-names.js';
import { version, type ProducerSettings } from '../config.js';
import { ContentError, UserError } from '../errors.js';
import { isInTrouble } from '../async/retry.js';
import { pipelineEvents } from '../events.js';
import { readHeader, transactionColumns } from '../csv/header.js';
import { routine, type Logger } from '../log.js';
import { claim } from './manifest.js';
import type { ObjectStore } from '../s3/object-store.js';
import { PatientStore } from '../s3/patient-store.js';
import { Pace } from './pace.js';
import { CsvFile, type Chunk } from '../csv/csv-file.js';

/** Uploads at once: enough to hide the store's latency when chunks go out as fast as possible. */
const MAX_UPLOADS = 4;

export interface ProducerOptions {
  store: ObjectStore;
  settings: ProducerSettings;
  log: Logger;
  /** Ends the work early; the next start writes the chunks that are missing then. */
  signal?: AbortSignal | undefined;
  /** Called when a chunk has been written. */
  onChunk?: ((chunk: { key: string; number: number; rows: number }) => void) | undefined;
}

/** The chunks that one call has handled: all of the source, unless the signal ended it. */
export interface ProducerSummary {
  chunks: number;
  /** In those chunks. */
  rows: number;
  /** Chunks that it wrote. */
  uploaded: number;
  /** Chunks that the bucket had already. */
  skipped: number;
}

/**
 * Mechanism X: cuts the transactions file into chunks and writes those that the bucket lacks, in order, one every
 * CHUNK_INTERVAL_MS. It keeps no state and never overwrites a chunk, so it may be killed at any time and started again,
 * and several may run at once.
 * @throws UserError if the file, the store or the chunks in the bucket do not allow it.
 */
export async function produce(options: ProducerOptions): Promise<ProducerSummary> {
  const { store, settings, log, signal } = options;
  const source = new CsvFile('TRANSACTIONS_CSV', settings.TRANSACTIONS_CSV, signal);
  const summary = { chunks: 0, rows: 0, uploaded: 0, skipped: 0 };
  let allChunks: number | undefined;
  try {
    await store.checkAccess(settings.CHUNKS_PREFIX, signal);
    log.info({ version, bucket: store.description }, 'mechanism X has started');
    log.info(`counting the rows of ${source.name}`);
    const survey = await source.survey();
    checkHeader(survey.header, source.name);
    const manifest = {
      source_sha256: survey.fingerprint.sha256,
      source_rows: survey.fingerprint.rows,
      chunk_rows: settings.CHUNK_ROWS,
    };
    allChunks = Math.ceil(manifest.source_rows / manifest.chunk_rows);
    pipelineEvents.publish('sourceSurveyed', { rows: manifest.source_rows, chunkRows: manifest.chunk_rows });
    const present = await new PatientStore(store, log, signal).retry(() =>
      claim(manifest, source.name, store, settings.CHUNKS_PREFIX, signal),
    );
    log.info(
      { rows: manifest.source_rows, chunkRows: manifest.chunk_rows, chunksPresent: present.size },
      'cutting transactions into chunks',
    );
    const chunks = source.chunks(survey, settings.CHUNK_ROWS, (number) => !present.has(number));
    await upload(chunks, options, summary);
  } catch (error) {
    if (!signal?.aborted) throw store.explain(error);
  }
  if (signal?.aborted && summary.chunks !== allChunks) {
    log.info(
      { chunks: summary.chunks, ...(allChunks !== undefined && { of: allChunks }) },
      'mechanism X was stopped before its last row; started again, it goes on with the first chunk that the bucket lacks',
    );
  }
  return summary;
}

/** Y would quarantine every chunk of a file without the needed columns. */
function checkHeader(header: Buffer, name: string): void {
  try {
    readHeader(header, transactionColumns);
  } catch (error) {
    throw error instanceof ContentError ? new UserError(`${name}: ${error.message}`) : error;
  }
}

/** Writes the chunks that have content, each when it is due; adds every chunk to the summary. */
async function upload(
  chunks: AsyncIterable<Chunk>,
  { store, settings, log, signal, onChunk }: ProducerOptions,
  summary: ProducerSummary,
): Promise<void> {
  const ended = new AbortController(); // aborted by the first error
  const stop = AbortSignal.any(signal ? [signal, ended.signal] : [ended.signal]);
  const patientStore = new PatientStore(store, log, stop);
  const underWay = new Set<Promise<void>>();

  const write = async (number: number, rows: number, content: Buffer): Promise<void> => {
    const key = settings.CHUNKS_PREFIX + chunkName(number);
    const start = performance.now();
    const isNew = await patientStore.putIfAbsent(key, content, 'text/csv');
    const ms = performance.now() - start;
    log.info(
      { ...routine, chunk: number, rows, bytes: content.length, ms: Math.round(ms) },
      isNew ? 'chunk written' : 'chunk was there',
    );
    count(number, rows, isNew, ms / 1000);
    if (isNew) onChunk?.({ key, number, rows });
  };
  const count = (number: number, rows: number, isNew: boolean, seconds?: number) => {
    summary.chunks++;
    summary.rows += rows;
    summary[isNew ? 'uploaded' : 'skipped']++;
    pipelineEvents.publish('chunkProduced', {
      number,
      rows,
      isNew,
      ...(seconds !== undefined && { seconds }),
    });
  };

  try {
    const pace = new Pace(settings.CHUNK_INTERVAL_MS);
    for await (const { number, rows, content } of chunks) {
      stop.throwIfAborted();
      if (!content) {
        count(number, rows, false);
        continue;
      }
      await pace.wait(stop);
      // While one upload waits for the store, later chunks must not get so far ahead that Y passes over its number.
      while (underWay.size >= (isInTrouble('object_store') ? 1 : MAX_UPLOADS)) await Promise.race(underWay);
      stop.throwIfAborted();
      pace.beat();
      const task: Promise<void> = write(number, rows, content)
        .catch((error: unknown) => ended.abort(error))
        .finally(() => underWay.delete(task));
      underWay.add(task);
    }
  } catch (error) {
    ended.abort(error);
  }
  await Promise.all(underWay);
  ended.signal.throwIfAborted();
}
