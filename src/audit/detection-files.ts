import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../s3/object-store.js';
import { PatientStore } from '../s3/patient-store.js';
import { refusalOf } from '../s3/store-errors.js';
import type { Views } from '../database/views.js';

/** The keys of all objects under the prefix of the detection files, without those under the prefix of the chunks. */
export async function listDetectionFiles(
  store: ObjectStore,
  { CHUNKS_PREFIX, DETECTIONS_PREFIX }: { CHUNKS_PREFIX: string; DETECTIONS_PREFIX: string },
  signal: AbortSignal,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(DETECTIONS_PREFIX, signal)) {
    if (!key.startsWith(CHUNKS_PREFIX)) keys.push(key);
  }
  return keys;
}

/** The records of a file with its header. @throws if it is not CSV. */
function recordsOf(content: Buffer): string[][] {
  if (!isUtf8(content) || content.includes(0)) throw new Error('it is not UTF-8 text');
  return parse(content, { relax_column_count: true });
}

/**
 * Copies the rows of the detection files into file_rows: of the batches that are marked as exported, and of those whose
 * file is listed, because a process can end between writing a file and marking its batch.
 * @returns the batches whose files were read, and a line for each file that is gone, empty, not CSV, or not handed out.
 */
export async function readDetectionFiles(
  store: ObjectStore,
  scratch: pg.Client,
  views: Kysely<Views>,
  listedKeys: readonly string[],
  log: Logger,
  signal: AbortSignal,
): Promise<{ readBatches: string[]; faults: string[] }> {
  const patient = new PatientStore(store, log, signal);
  const listed = new Set(listedKeys);
  const outbox = await views
    .selectFrom('detection_batches')
    .select(['batch_no', 'object_key', 'exported_at'])
    .orderBy('batch_no')
    .execute();
  const batches = outbox.filter(({ object_key, exported_at }) => exported_at || listed.has(object_key));
  const readBatches: string[] = [];
  const faults: string[] = [];
  async function* rows() {
    for (const { batch_no: batchNo, object_key: key } of batches) {
      const fault = (what: string) => faults.push(`${key}: the file of batch ${batchNo} ${what}`);
      const file = await patient.getWhole(key).catch(refusalOf);
      if (!file || typeof file === 'string') {
        fault(file ? `cannot be read: ${file}` : 'is gone');
        continue;
      }
      let records: string[][];
      try {
        records = recordsOf(file.content);
      } catch (error) {
        fault(`cannot be read: ${messageOf(error)}`);
        continue;
      }
      readBatches.push(batchNo);
      for (const [row, fields] of records.entries()) {
        yield stringify([[batchNo, row, JSON.stringify(fields)]]);
      }
      if (records.length === 0) fault('is empty');
    }
  }
  const copying = scratch.query(copyFrom('copy pg_temp.file_rows from stdin with (format csv)'));
  copying.on('error', () => undefined); // as in loader/stage.ts
  await pipeline(Readable.from(rows(), { objectMode: true }), copying);
  return { readBatches, faults };
}
