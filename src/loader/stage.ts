import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { isDataError } from '../errors.js';
import { carefulRecords } from './careful.js';
import type { NeededColumns } from '../csv/header.js';
import { NotPlain, plainRows } from './plain.js';

const COPY_ROWS = 'copy staged_rows (customer_id, placed_gender, merchant_id, amount) from stdin';
const COPY_RECORDS =
  'copy pg_temp.staged_records (line_number, problem, line, customer_id, gender, merchant_id, amount) from stdin ' +
  'with (format csv, force_not_null (line, customer_id, gender, merchant_id, amount))';

/** With this level, whatever the server's default is, process_chunk sees what the chunk before it wrote. */
const BEGIN = 'begin isolation level read committed; select bankpulse.begin_staging()';

/** Opens the file's bytes; called a second time if the file turns out not to be plain. */
export type OpenSource = () => AsyncIterable<Buffer> | Promise<AsyncIterable<Buffer>>;

async function copy(client: pg.Client, statement: string, rows: AsyncIterable<Buffer>): Promise<void> {
  const copying = client.query(copyFrom(statement));
  // after a lost session the stream may emit one more error when the pipeline no longer listens
  copying.on('error', () => undefined);
  await pipeline(Readable.from(rows, { objectMode: true }), copying);
}

/**
 * Begins a transaction and copies a CSV file into the session's staging tables: the plain way if all of it is plain,
 * otherwise the careful way. Both give the same rows. The transaction stays open for process_chunk or load_importance.
 * @returns the way it took.
 * @throws ContentError if the file as a whole is unusable; any error of the source or the database. The caller then
 * rolls the transaction back.
 */
export async function stageCsv(
  client: pg.Client,
  open: OpenSource,
  needed: NeededColumns,
): Promise<'plain' | 'careful'> {
  await client.query(BEGIN);
  try {
    await copy(client, COPY_ROWS, plainRows(await open(), needed));
    return 'plain';
  } catch (error) {
    if (!(error instanceof NotPlain || isDataError(error))) throw error;
  }
  await client.query('rollback');
  await client.query(BEGIN);
  await copy(client, COPY_RECORDS, carefulRecords(await open(), needed));
  return 'careful';
}
