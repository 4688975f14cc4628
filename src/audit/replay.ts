import type { Kysely } from 'kysely';
import type pg from 'pg';
import { streamedObject } from '../loader/object-content.js';
import { ContentError, isDataError, messageOf } from '../errors.js';
import { transactionColumns } from '../csv/header.js';
import { stageCsv } from '../loader/stage.js';
import type { Logger } from '../log.js';
import { PatientStore } from '../s3/patient-store.js';
import type { ObjectStore } from '../s3/object-store.js';
import { refusalOf } from '../s3/store-errors.js';
import type { Views } from '../database/views.js';
import { AuditFunctions } from './audit-functions.js';

export interface ReplayOptions {
  store: ObjectStore;
  scratch: pg.Client;
  /** Reads the scratch database. */
  views: Kysely<Views>;
  log: Logger;
  signal: AbortSignal;
  /** Whether each chunk is judged by the rules that the ledger has for it, or all by the patterns of the scratch database. */
  byLedger: boolean;
  /** The replay begins with the chunk behind this one. */
  behindChunkNo: number;
  /** Called after each chunk. */
  onChunk: (done: number, of: number) => void;
}

/** A chunk of the ledger. */
interface LedgerChunk {
  chunkNo: number;
  key: string;
  etag: string;
}

/** The result of a replay. */
export interface Replay {
  /** The last chunk that was replayed; the one that it began behind if none was. */
  lastChunkNo: number;
  /** A line for each object that is gone, is not the one that was applied, or is not handed out. */
  faults: string[];
}

/** The applied chunks behind one, in their order. */
async function readLedger(views: Kysely<Views>, behindChunkNo: number): Promise<LedgerChunk[]> {
  const rows = await views
    .selectFrom('chunks')
    .select(['chunk_no', 'object_key', 'etag'])
    .where('chunk_no', '>', String(behindChunkNo))
    .orderBy('chunk_no')
    .execute();
  return rows.map(({ chunk_no, object_key, etag }) => ({ chunkNo: Number(chunk_no), key: object_key, etag }));
}

/** How the object found under a chunk's key differs from the one that was applied; undefined if it does not. */
function faultOf(found: { etag: string } | undefined, { etag }: LedgerChunk): string | undefined {
  if (!found) return 'its object is gone';
  if (found.etag === etag) return undefined;
  return `another object stands there now (ETag ${found.etag}, applied was ${etag})`;
}

/** Checks the object without reading it. */
async function look(
  store: ObjectStore,
  chunk: LedgerChunk,
  signal: AbortSignal,
): Promise<string | undefined> {
  const object = await store.get(chunk.key, signal);
  object?.body.destroy();
  return faultOf(object, chunk);
}

/**
 * Stages the object, however large: MAX_CHUNK_BYTES may have been greater when it was applied.
 * @returns why it cannot be replayed; undefined if it is staged.
 */
async function stage(
  chunk: LedgerChunk,
  { store, scratch, signal }: ReplayOptions,
): Promise<string | undefined> {
  const object = await streamedObject(store, chunk.key, Number.MAX_SAFE_INTEGER, signal);
  const fault = faultOf(object, chunk);
  if (!object || fault !== undefined) {
    object?.discard();
    return fault;
  }
  try {
    await stageCsv(scratch, object.open, transactionColumns);
    return undefined;
  } catch (error) {
    await scratch.query('rollback');
    if (error instanceof ContentError) return `it cannot be read any more: ${messageOf(error)}`;
    if (isDataError(error)) return 'PostgreSQL refuses its data';
    throw error;
  }
}

/**
 * Replays the ledger's chunks in their order into the scratch database, up to the first whose object is gone or changed.
 * Of later chunks it only checks the objects.
 */
export async function replay(options: ReplayOptions): Promise<Replay> {
  const { store, scratch, views, log, signal, byLedger, behindChunkNo, onChunk } = options;
  const patient = new PatientStore(store, log, signal);
  const functions = new AuditFunctions(scratch);
  const chunks = await readLedger(views, behindChunkNo);
  const { chunk_count, row_count, applied_seconds } = await functions.replayCost();
  log.info(
    { chunks: chunk_count, rows: row_count, appliedInSeconds: applied_seconds },
    'replaying the ledger; each chunk costs a reading of the whole state, so the time grows with chunks and state',
  );
  const faults: string[] = [];
  let lastChunkNo = behindChunkNo;
  for (const [index, chunk] of chunks.entries()) {
    const fault = await patient
      .retry(() => (faults.length === 0 ? stage(chunk, options) : look(store, chunk, signal)))
      .catch((error: unknown) => `its object cannot be read: ${refusalOf(error)}`);
    if (fault !== undefined) faults.push(`chunk ${chunk.chunkNo} (${chunk.key}): ${fault}`);
    else if (faults.length === 0) {
      await functions.replayChunk(chunk.chunkNo, chunk.key, byLedger);
      await scratch.query('commit');
      lastChunkNo = chunk.chunkNo;
    }
    onChunk(index + 1, chunks.length);
  }
  return { lastChunkNo, faults };
}
