import { stringify } from 'csv-stringify/sync';
import type { Kysely } from 'kysely';
import { pipelineEvents } from '../events.js';
import type { Logger } from '../log.js';
import type { PatientStore } from '../s3/patient-store.js';
import type { SqlFunctions } from '../database/functions.js';
import type { Views } from '../database/views.js';

/**
 * Writes the closed batches that have no file yet, in order. Key and content come from stored values alone, so that
 * writing a batch again after a crash gives the same object.
 * @throws if the database does not return all rows of a batch: an incomplete file must not count as exported.
 */
export async function exportBatches(
  views: Kysely<Views>,
  functions: SqlFunctions,
  store: PatientStore,
  log: Logger,
): Promise<void> {
  const batches = await views
    .selectFrom('detection_batches')
    .select(['batch_no', 'object_key', 'row_count'])
    .where('exported_at', 'is', null)
    .orderBy('batch_no')
    .execute();
  for (const { batch_no, object_key, row_count } of batches) {
    const rows = await views
      .selectFrom('detection_file_rows')
      .selectAll()
      .where('batch_no', '=', batch_no)
      .orderBy('detection_id')
      .execute();
    if (rows.length !== Number(row_count))
      throw new Error(`batch ${batch_no} has ${row_count} detections, but ${rows.length} rows for its file`);
    // behind batch_no and detection_id, the view has the columns of the file, in their order
    const columns = Object.keys(rows[0]!).filter((name) => name !== 'batch_no' && name !== 'detection_id');
    const file = stringify(rows, { header: true, columns });
    await store.put(object_key, file, 'text/csv');
    await functions.markBatchExported(batch_no);
    pipelineEvents.publish('batchWritten', { batchNo: Number(batch_no), rows: Number(row_count) });
    log.info({ key: object_key, rows: Number(row_count) }, 'detections written');
  }
}
