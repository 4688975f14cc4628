import type { Kysely } from 'kysely';
import type pg from 'pg';
import { streamedObject } from '../loader/object-content.js';
import { ContentError, isDataError, messageOf } from '../errors.js';
import { transactionColumns } from '../csv/header.js';
import { stageCsv, type OpenSource } from '../loader/stage.js';
import type { Logger } from '../log.js';
import { PatientStore } from '../s3/patient-store.js';
import type { ObjectStore } from '../s3/object-store.js';
import type { Views } from '../database/views.js';
import { AuditFunctions } from './audit-functions.js';

/** How often progress is told. */
const TELL_EVERY_MS = 2000;

export interface ReplayOptions {
  store: ObjectStore;
  scratch: pg.Client;
  /** Of the scratch database. */
  views: Kysely<Views>;
  log: Logger;
  signal: AbortSignal;
  /** Chunks before it are only added to the state. */
  firstJudgedNo: number;
}

/** A chunk of the ledger. */
interface LedgerChunk {
  chunkNo: number;
  key: string;
  etag: string;
}

/** What became of a replay. */
export interface Replay {
  /** 0 if there was none. */
  lastChunkNo: number;
  /** Objects that are gone, or are no longer what was applied, one a line. */
  faults: string[];
}

/** The applied chunks, in their order. */
async function readLedger(views: Kysely<Views>): Promise<LedgerChunk[]> {
  const rows = await views
    .selectFrom('chunks')
    .select(['chunk_no', 'object_key', 'etag'])
    .where('chunk_no', 'is not', null)
    .orderBy('chunk_no')
    .execute();
  return rows.map(({ chunk_no, object_key, etag }) => ({ chunkNo: Number(chunk_no), key: object_key, etag }));
}

/** Why the object cannot be replayed; undefined if it is staged. A chunk may be larger than MAX_CHUNK_BYTES is now. */
async function stage(
  { key, etag }: LedgerChunk,
  { store, scratch, signal }: ReplayOptions,
): Promise<string | undefined> {
  const object = await streamedObject(store, key, Number.MAX_SAFE_INTEGER, signal);
  if (!object) return 'its object is gone';
  if (object.etag !== etag) {
    await discard(object.open);
    return `another object stands there now (ETag ${object.etag}, applied was ${etag})`;
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

/** Lets go of bytes nobody wants; only what was begun can be ended. */
async function discard(open: OpenSource): Promise<void> {
  const blocks = (await open())[Symbol.asyncIterator]();
  await blocks.next().catch(() => undefined);
  await blocks.return?.();
}

/**
 * Replays the ledger's chunks in their order into the scratch database, up to the first whose object is gone or
 * changed; of those behind it only the objects are looked at.
 */
export async function replay(options: ReplayOptions): Promise<Replay> {
  const { store, scratch, views, log, signal, firstJudgedNo } = options;
  const patient = new PatientStore(store, log, signal);
  const functions = new AuditFunctions(scratch);
  const chunks = await readLedger(views);
  const faults: string[] = [];
  let lastChunkNo = 0;
  let toldAt = performance.now();
  for (const [index, chunk] of chunks.entries()) {
    const fault = await patient.retry(() =>
      faults.length === 0 ? stage(chunk, options) : look(store, chunk, signal),
    );
    if (fault !== undefined) faults.push(`chunk ${chunk.chunkNo} (${chunk.key}): ${fault}`);
    else if (faults.length === 0) {
      await functions.replayChunk(chunk.chunkNo, chunk.key, chunk.chunkNo >= firstJudgedNo);
      await scratch.query('commit');
      lastChunkNo = chunk.chunkNo;
    }
    if (performance.now() - toldAt >= TELL_EVERY_MS || index + 1 === chunks.length) {
      log.info({ chunks: index + 1, of: chunks.length }, 'chunks replayed');
      toldAt = performance.now();
    }
  }
  return { lastChunkNo, faults };
}

/** Whether the object is still there, as it was applied. */
async function look(
  store: ObjectStore,
  { key, etag }: LedgerChunk,
  signal: AbortSignal,
): Promise<string | undefined> {
  const object = await store.get(key, signal);
  object?.body.destroy();
  if (!object) return 'its object is gone';
  return object.etag === etag
    ? undefined
    : `another object stands there now (ETag ${object.etag}, applied was ${etag})`;
}
