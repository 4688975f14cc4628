import { expect } from 'chai';
import { ContentError } from '../../src/errors.js';
import { transactionColumns, type NeededColumns } from '../../src/csv/header.js';
import { stageCsv } from '../../src/loader/stage.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { MARK, blocksOf } from './bytes.js';
import { useDatabase } from './database.js';

export interface Staged {
  way: 'plain' | 'careful';
  /** customer, gender, merchant, amount */
  rows: string[][];
  rejected: { line_number: number; line: string; reason: string }[];
}

/** Stages files and accepts or rejects their rows in a database of the suite's own, each in a transaction that is rolled back. */
export function useStaging() {
  const database = useDatabase('empty');
  before(() => new SqlFunctions(database().client).openStaging());

  async function stage(file: string, needed = transactionColumns, sizes?: number[]): Promise<Staged> {
    const { client } = database();
    try {
      const way = await stageCsv(client, () => blocksOf(file, sizes), needed);
      await client.query(`select bankpulse.accept_staged_records('a file')`);
      const { rows } = await client.query<string[]>({
        text: 'select customer_id, substr(placed_gender, 11), merchant_id, amount::text from staged_rows order by placed_gender',
        rowMode: 'array',
      });
      const { rows: rejected } = await client.query<Staged['rejected'][number]>(
        `select line_number::int, line, reason from bankpulse.rejected_rows where object_key = 'a file'
         order by line_number`,
      );
      return { way, rows, rejected };
    } finally {
      await client.query('rollback');
    }
  }

  /** Why a file as a whole is unusable. */
  async function refusal(file: string, needed?: NeededColumns, sizes?: number[]): Promise<string> {
    const error: unknown = await stage(file, needed, sizes).then(
      () => expect.fail('it was staged'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(ContentError);
    return (error as ContentError).message;
  }

  return { database, stage, refusal };
}

/** The same file for the careful way: an empty line before the header is not plain, and no row. */
export function forCarefulWay(file: string): string {
  return file.startsWith(MARK) ? `${MARK}\n${file.slice(MARK.length)}` : `\n${file}`;
}
