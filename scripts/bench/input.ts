import { join, resolve } from 'node:path';
import { UserError } from '../../src/errors.js';
import { CsvFile, type Survey } from '../../src/csv/csv-file.js';
import { BARE_HEADER } from './bare-copy.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../../src/generate/generate.js';

/** Of a chunk, as CHUNK_ROWS is by default. */
export const CHUNK_ROWS = 10_000;

/** A chunk as X writes it. */
export interface InputChunk {
  /** From 1. */
  number: number;
  rows: number;
  content: Buffer;
}

/** The pair of files that everything is measured on, always the same chunks. */
export class Input {
  private constructor(
    readonly transactionsCsv: string,
    readonly importanceCsv: string,
    readonly isGenerated: boolean,
    private readonly source: CsvFile,
    private readonly survey: Survey,
  ) {}

  /**
   * The files given, or generated ones, written into `folder`.
   * @throws UserError if they cannot be read, or do not have the bare COPY's columns.
   */
  static async open(
    given: { transactions?: string | undefined; importance?: string | undefined },
    folder: string,
    signal: AbortSignal,
  ): Promise<Input> {
    const isGenerated = given.transactions === undefined || given.importance === undefined;
    const transactionsCsv = resolve(given.transactions ?? join(folder, 'transactions.csv'));
    const importanceCsv = resolve(given.importance ?? join(folder, 'CustomerImportance.csv'));
    if (isGenerated)
      await generate({ rows: DEFAULT_ROWS, seed: DEFAULT_SEED, transactionsCsv, importanceCsv });
    const source = new CsvFile('--transactions', transactionsCsv);
    const survey = await source.survey(signal);
    const header = survey.header.toString().replaceAll(/["'\s]/g, '');
    if (header.toLowerCase() !== BARE_HEADER.toLowerCase())
      throw new UserError(`${source.name}: the benchmark needs BankSim's columns, ${BARE_HEADER}`);
    return new Input(transactionsCsv, importanceCsv, isGenerated, source, survey);
  }

  get rows(): number {
    return this.survey.fingerprint.rows;
  }

  get chunkCount(): number {
    return Math.ceil(this.rows / CHUNK_ROWS);
  }

  /** In order, read anew each time. Stops at the signal by throwing its reason. */
  async *chunks(signal: AbortSignal): AsyncGenerator<InputChunk, void, undefined> {
    for await (const { number, rows, content } of this.source.chunks(this.survey, CHUNK_ROWS, () => true)) {
      signal.throwIfAborted();
      yield { number, rows, content: content! };
    }
  }
}
