import { stringify } from 'csv-stringify/sync';
import type { Place } from './place.js';
import type { Span } from './run.js';

/** What the files say of a detection, in the order of their columns. */
const COLUMNS = ['YStartTime', 'detectionTime', 'patternId', 'ActionType', 'customerName', 'MerchantId'];

interface Batch {
  batch_no: number;
  object_key: string;
  row_count: number;
  closed_at: Date;
  is_exported: boolean;
}

/**
 * What is wrong with the exported files: a detection in no file or out of order, a number missing, a file that is not
 * there, not written to the end, or not what the database says, one that nothing speaks of, and a short one that was
 * closed neither in one of the spans nor at the end.
 */
export async function faultsOfFiles(place: Place, spans: readonly Span[]): Promise<string[]> {
  const { s3, prefix, input } = place;
  const faults: string[] = [];
  const batches = await place.ask<Batch>(
    `select batch_no::int, object_key, row_count::int, closed_at, exported_at is not null as is_exported
     from bankpulse.detection_batches order by batch_no`,
  );
  const rows = await place.ask<Record<string, string> & { batch_no: number }>(
    'select *, batch_no::int from bankpulse.detection_file_rows order by detection_id',
  );
  const [{ count } = { count: -1 }] = await place.ask<{ count: number }>(
    'select count(*)::int as count from bankpulse.detections',
  );
  if (rows.length !== count) faults.push(`${count - rows.length} of ${count} detections are in no file`);
  if (rows.some((row, index) => row.batch_no < (rows[index - 1]?.batch_no ?? 0)))
    faults.push('the files do not follow the order of the detections');

  const written = new Set<string>();
  for await (const { key } of s3.store.list(`${prefix}detections/`)) written.add(key);
  for (const [index, batch] of batches.entries()) {
    const name = `file ${batch.batch_no}`;
    const key = `${prefix}detections/detections-${String(index + 1).padStart(8, '0')}.csv`;
    if (batch.object_key !== key) faults.push(`${name} is ${batch.object_key} and not ${key}`);
    if (!batch.is_exported) faults.push(`${name} is not marked as exported`);
    const content = (await s3.store.getWhole(key))?.content.toString();
    const its = rows.filter(({ batch_no }) => batch_no === batch.batch_no);
    const wanted = stringify(its, { header: true, columns: COLUMNS });
    if (its.length !== batch.row_count) faults.push(`${name} has ${its.length} rows, not ${batch.row_count}`);
    if (content === undefined) faults.push(`${name} is not in the bucket`);
    else if (content !== wanted) faults.push(`${name} is not what the database says`);
    const mayBeShort =
      index === batches.length - 1 ||
      spans.some(([from, to]) => from <= batch.closed_at && batch.closed_at <= to);
    if (batch.row_count !== input.batchRows && !(mayBeShort && batch.row_count < input.batchRows))
      faults.push(`${name} has ${batch.row_count} rows without a reason`);
    written.delete(key);
  }
  for (const key of written) faults.push(`nothing in the database speaks of ${key}`);
  return faults;
}
