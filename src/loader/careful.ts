import { isUtf8 } from 'node:buffer';
import { stringify } from 'csv-stringify/sync';
import { CsvRecordSplitter, type CsvRecord } from '../csv/records.js';
import { ContentError } from '../errors.js';
import { readHeader, type ColumnPositions, type NeededColumns } from '../csv/header.js';
import { fieldsOf } from '../csv/fields.js';
import { storableText } from './storable-text.js';

/** Columns of pg_temp.staged_records, in the order of the COPY. */
type StagedRecord = [
  lineNumber: number,
  problem: string | null,
  line: string,
  customer: string,
  gender: string,
  merchant: string,
  amount: string,
];

/** Records are handed to COPY in pieces of about this many bytes. */
const PIECE_BYTES = 1 << 18;

/** The needed values of a record. @throws ContentError if the record as a whole is unusable. */
function valuesOf(record: Buffer, positions: ColumnPositions): [string, string, string, string] {
  if (!isUtf8(record)) throw new ContentError('rowNotUtf8');
  const fields = fieldsOf(record.toString('utf8'));
  if (fields.length !== positions.fieldCount) {
    throw new ContentError('rowFieldCount', fields.length, positions.fieldCount);
  }
  const { customer, gender, merchant, amount } = positions;
  const values = [customer, gender, merchant, amount].map((at) => fields[at] ?? '');
  if (values.some((value) => value.includes('\0'))) throw new ContentError('nulByte');
  return values as [string, string, string, string];
}

/** The record as a row for COPY. A record that is unusable as a whole has the reason as `problem`, and no values. */
function stageRecord({ block, start, end, line }: CsvRecord, positions: ColumnPositions): StagedRecord {
  const bytes = block.subarray(start, end);
  try {
    return [line, null, storableText(bytes), ...valuesOf(bytes, positions)];
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    return [line, error.message, storableText(bytes), '', '', '', ''];
  }
}

function toCopy(records: StagedRecord[]): Buffer {
  return Buffer.from(stringify(records));
}

/**
 * The careful way: every record of a CSV file, of whatever shape, as a row for `copy staged_records from stdin (csv)`,
 * which accept_staged_records accepts or rejects.
 * @throws ContentError if the file as a whole is unusable: empty, a header without a needed column or with one twice,
 * a quote that is never closed, a record longer than MAX_RECORD_BYTES.
 */
export async function* carefulRecords(
  source: AsyncIterable<Buffer>,
  needed: NeededColumns,
): AsyncGenerator<Buffer> {
  const splitter = new CsvRecordSplitter();
  let positions: ColumnPositions | undefined;
  let records: StagedRecord[] = [];
  let size = 0;
  const take = (record: CsvRecord) => {
    if (!positions) positions = readHeader(record.block.subarray(record.start, record.end), needed);
    else {
      records.push(stageRecord(record, positions));
      size += record.end - record.start;
    }
  };
  for await (const block of source) {
    for (const record of splitter.push(block)) {
      take(record);
      if (size < PIECE_BYTES) continue;
      yield toCopy(records);
      records = [];
      size = 0;
    }
  }
  for (const record of splitter.end()) take(record);
  if (!positions) throw new ContentError('empty');
  if (records.length > 0) yield toCopy(records);
}
