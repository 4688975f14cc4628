import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ProducerSettings } from './config.js';
import { ContentError, UserError } from './errors.js';
import { pipeline } from './events.js';
import { readHeader, transactionColumns } from './loader/columns.js';
import { routine, type Logger } from './log.js';
import type { ObjectStore } from './object-store.js';
import { isTransientStoreError } from './object-store-errors.js';
import { retryForever } from './retry.js';
import { CsvSource, type Chunk } from './source.js';

/** Enough to hide the store's latency when chunks go out as fast as possible. */
const MOST_UPLOADS = 4;

const CHUNK_NAME = /^chunk-(\d{8,15})\.csv$/;

/** What a chunk is called below `CHUNKS_PREFIX`. */
export function chunkName(number: number): string {
  return `chunk-${String(number).padStart(8, '0')}.csv`;
}

export interface ProducerOptions {
  store: ObjectStore;
  settings: ProducerSettings;
  log: Logger;
  /** Ends the work early and in order: what is cut short, the next start makes up for. */
  signal?: AbortSignal | undefined;
  /** Called when a chunk has been written. */
  onChunk?: ((chunk: { key: string; number: number; rows: number }) => void) | undefined;
}

/** What this call went through; all of the source, unless the signal ended it. */
export interface ProducerSummary {
  chunks: number;
  /** In those chunks. */
  rows: number;
  /** Chunks it wrote. */
  uploaded: number;
  /** Chunks that were there already. */
  skipped: number;
}

/**
 * Mechanism X: cuts the transactions file into chunks and writes those that the bucket lacks, in order, one every
 * CHUNK_INTERVAL_MS. It keeps no state and never writes over a chunk, so it may be ended at any time and started
 * again, even twice at once.
 * @throws UserError if the file, the store or what is in the bucket does not allow it.
 */
export async function produce(options: ProducerOptions): Promise<ProducerSummary> {
  const { store, settings, log, signal } = options;
  const source = new CsvSource('TRANSACTIONS_CSV', settings.TRANSACTIONS_CSV);
  const summary = { chunks: 0, rows: 0, uploaded: 0, skipped: 0 };
  try {
    await store.checkAccess(settings.CHUNKS_PREFIX, signal);
    const survey = await source.survey(signal);
    checkHeader(survey.header, source.name);
    const manifest = {
      source_sha256: survey.fingerprint.sha256,
      source_rows: survey.fingerprint.rows,
      chunk_rows: settings.CHUNK_ROWS,
    };
    pipeline.tell('sourceSurveyed', { rows: manifest.source_rows, chunkRows: manifest.chunk_rows });
    const present = await claim(manifest, source.name, options);
    log.info(
      { rows: manifest.source_rows, chunkRows: manifest.chunk_rows, chunksPresent: present.size },
      'cutting transactions into chunks',
    );
    const chunks = source.chunks(survey, settings.CHUNK_ROWS, (number) => !present.has(number));
    await upload(chunks, options, summary);
  } catch (error) {
    if (!signal?.aborted) throw store.explain(error);
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

const manifestSchema = z.object({ source_sha256: z.string(), source_rows: z.int(), chunk_rows: z.int() });
type Manifest = z.output<typeof manifestSchema>;

/**
 * Makes sure that the chunks in the bucket are, or will be, of this source and size.
 * @returns the numbers of those that are there.
 */
async function claim(
  manifest: Manifest,
  sourceName: string,
  { store, settings: { CHUNKS_PREFIX: prefix }, signal }: ProducerOptions,
): Promise<Set<number>> {
  const manifestKey = `${prefix.replace(/\/$/, '')}.manifest.json`;
  const place = `s3://${store.bucket}/${prefix}`;
  const remedy = `empty ${place} and delete ${manifestKey}, or set another CHUNKS_PREFIX`;

  // Listed before the manifest is read: another X that starts at this moment writes its manifest first.
  const present = new Set<number>();
  let csv: string | undefined;
  for await (const { key } of store.list(prefix, signal)) {
    const number = CHUNK_NAME.exec(key.slice(prefix.length))?.[1];
    if (number !== undefined) present.add(Number(number));
    if (/\.csv(\.gz)?$/i.test(key)) csv ??= key;
  }
  const content = `${JSON.stringify(manifest)}\n`;
  if (csv === undefined) await store.putIfAbsent(manifestKey, content, 'application/json', signal);

  const stored = await store.getWhole(manifestKey, signal);
  if (!stored) {
    throw new UserError(
      `${csv} lies in ${place}, but no ${manifestKey} says what it was cut from: ${remedy}`,
    );
  }
  const { source_sha256, source_rows, chunk_rows } = readManifest(stored.content, manifestKey, remedy);
  if (source_sha256 !== manifest.source_sha256 || source_rows !== manifest.source_rows) {
    throw new UserError(
      `the chunks in ${place} were cut from another file (${source_rows} rows, sha256 ${source_sha256.slice(0, 8)}) than ${sourceName} (${manifest.source_rows} rows, ${manifest.source_sha256.slice(0, 8)}): use that file, or ${remedy}`,
    );
  }
  if (chunk_rows !== manifest.chunk_rows) {
    throw new UserError(
      `the chunks in ${place} have ${chunk_rows} rows each, CHUNK_ROWS is ${manifest.chunk_rows}: set CHUNK_ROWS=${chunk_rows}, or ${remedy}`,
    );
  }
  await store.learnConditionalPut(manifestKey, stored.content, 'application/json', signal);
  return present;
}

function readManifest(content: Buffer, key: string, remedy: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new UserError(`${key} is no manifest that BankPulse wrote: ${remedy}`, { cause: error });
  }
}

/** Writes the chunks that have content, each when it is due; adds to the summary as it goes. */
async function upload(
  chunks: AsyncIterable<Chunk>,
  { store, settings, log, signal, onChunk }: ProducerOptions,
  summary: ProducerSummary,
): Promise<void> {
  const ended = new AbortController(); // by the first error
  const stop = AbortSignal.any(signal ? [signal, ended.signal] : [ended.signal]);
  const underWay = new Set<Promise<void>>();
  let inTrouble = 0;

  const write = async (number: number, rows: number, content: Buffer): Promise<void> => {
    const key = settings.CHUNKS_PREFIX + chunkName(number);
    const start = performance.now();
    let attempts = 0;
    const put = () => {
      if (++attempts === 2) inTrouble++;
      return store.putIfAbsent(key, content, 'text/csv', stop);
    };
    try {
      const isNew = await retryForever('the object store', log, put, {
        signal: stop,
        isTransient: isTransientStoreError,
      });
      const ms = performance.now() - start;
      log.info(
        { ...routine, chunk: number, rows, bytes: content.length, ms: Math.round(ms) },
        isNew ? 'chunk written' : 'chunk was there',
      );
      count(number, rows, isNew, ms / 1000);
      if (isNew) onChunk?.({ key, number, rows });
    } finally {
      if (attempts > 1) inTrouble--;
    }
  };
  const count = (number: number, rows: number, isNew: boolean, seconds?: number) => {
    summary.chunks++;
    summary.rows += rows;
    summary[isNew ? 'uploaded' : 'skipped']++;
    pipeline.tell('chunkProduced', { number, rows, isNew, ...(seconds !== undefined && { seconds }) });
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
      // While one waits for the store to come back, later ones must not overtake it by so much that Y gives it up.
      while (underWay.size >= (inTrouble > 0 ? 1 : MOST_UPLOADS)) await Promise.race(underWay);
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

/** A schedule of one beat every `intervalMs`, kept by the clock: the time that work takes does not add up. */
class Pace {
  #due = performance.now();

  constructor(private readonly intervalMs: number) {}

  /** Until the next beat is due. */
  async wait(signal: AbortSignal): Promise<void> {
    const early = this.#due - performance.now();
    if (early > 0) await sleep(early, undefined, { signal });
  }

  /** This is the beat. One that comes late by more than half the interval begins the schedule anew: no bursts. */
  beat(): void {
    const now = performance.now();
    this.#due = (now - this.#due > this.intervalMs / 2 ? now : this.#due) + this.intervalMs;
  }
}
