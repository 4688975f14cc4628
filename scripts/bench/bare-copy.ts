import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

/** BankSim's ten columns. */
const BARE_TABLE = `
  drop table if exists bare_copy; -- of the session before
  create unlogged table bare_copy (
    step int, customer text, age text, gender text, zipcode_ori text,
    merchant text, zip_merchant text, category text, amount numeric, fraud text
  );
`;
/** The columns a file must have for it, in this order. */
export const BARE_HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';

/**
 * The least that PostgreSQL must do with a chunk, which everything else is measured by: COPY its bytes into an unlogged
 * table and commit. The table lies in the database of the session, outside the project's schema.
 */
export class BareCopy {
  private constructor(private readonly client: pg.Client) {}

  static async open(client: pg.Client): Promise<BareCopy> {
    await client.query(BARE_TABLE);
    return new BareCopy(client);
  }

  /** @returns milliseconds from `begin` to the commit. The rows stay until `empty`. */
  async time(content: Buffer): Promise<number> {
    const start = performance.now();
    await this.client.query('begin');
    await pipeline(
      Readable.from([content], { objectMode: false }),
      this.client.query(copyFrom('copy bare_copy from stdin with (format csv, header)')),
    );
    await this.client.query('commit');
    return performance.now() - start;
  }

  /** How many pairs of merchant and customer the rows of the last COPY touch. */
  async countPairs(): Promise<number> {
    const { rows } = await this.client.query<{ count: number }>(
      'select count(*)::int as count from (select distinct merchant, customer from bare_copy) as pairs',
    );
    return rows[0]!.count;
  }

  /** To be called between two, outside of what is timed. */
  async empty(): Promise<void> {
    await this.client.query('truncate bare_copy');
  }
}
