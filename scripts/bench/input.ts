import { join, resolve } from 'node:path';
import { CsvFile } from '../../src/csv/csv-file.js';
import { UserError } from '../../src/errors.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../../src/generate/generate.js';

export const CHUNK_ROWS = 10_000; // the default of the setting
/** The columns of the bare COPY, which a transactions file must have, in this order. */
export const BARE_HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';

/** A chunk as X writes it; the first has number 1. */
export type InputChunk = { number: number; rows: number; content: Buffer };
/** Files named on the command line. */
export type GivenFiles = { transactions?: string; importance?: string };

/**
 * Opens the two files that the parts measure: those given, or two that it generates in `folder`.
 * @throws UserError if they cannot be read, or do not have the bare COPY's columns.
 */
export async function openInput(given: GivenFiles, folder: string, signal: AbortSignal) {
  const transactionsCsv = resolve(given.transactions ?? join(folder, 'transactions.csv'));
  const importanceCsv = resolve(given.importance ?? join(folder, 'CustomerImportance.csv'));
  if (given.transactions === undefined)
    await generate({ rows: DEFAULT_ROWS, seed: DEFAULT_SEED, transactionsCsv, importanceCsv });
  const source = new CsvFile('--transactions', transactionsCsv, signal);
  const survey = await source.survey();
  const header = survey.header.toString().replaceAll(/["'\s]/g, '');
  if (header.toLowerCase() !== BARE_HEADER.toLowerCase())
    throw new UserError(`${source.name}: the benchmark needs BankSim's columns, ${BARE_HEADER}`);
  const { rows } = survey.fingerprint;
  const chunkCount = Math.ceil(rows / CHUNK_ROWS);
  /** Reads the file anew with each call. The signal ends it with an error. */
  async function* chunks(): AsyncGenerator<InputChunk, void, undefined> {
    for await (const { number, rows, content } of source.chunks(survey, CHUNK_ROWS, () => true)) {
      signal.throwIfAborted();
      yield { number, rows, content: content! };
    }
  }
  return { transactionsCsv, importanceCsv, rows, chunkCount, chunks };
}
