import { expect } from 'chai';
import fc from 'fast-check';
import { ChunkDriver, type Row } from '../support/chunks.js';
import { useDatabase } from '../support/database.js';

describe('sum_up_staged_rows', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  const ROWS: Row[] = [
    { customer: 'C1', merchant: 'M1', gender: 'F', amount: '1.10' },
    { customer: 'C2', merchant: 'M1', gender: 'M', amount: '-2' },
    { customer: 'C1', merchant: 'M1', gender: 'M', amount: '0.905' },
    { customer: 'C1', merchant: 'M2', gender: 'M', amount: '3' },
  ];
  const stage = (rows: readonly Row[]) =>
    database().client.query(
      `insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
       select customer, bankpulse.placed_gender(place, gender), merchant, amount
       from rows from (jsonb_to_recordset($1) as (customer text, gender text, merchant text, amount numeric))
         with ordinality as staged (customer, gender, merchant, amount, place)`,
      [JSON.stringify(rows)],
    );
  async function summed(): Promise<string[]> {
    const { rows } = await database().client.query<{ line: string }>(
      `select concat_ws(' ', merchant_id, customer_id, transaction_count, total_amount, substr(first_gender, 11)) as line
       from summed_pairs order by merchant_id, customer_id`,
    );
    return rows.map(({ line }) => line);
  }

  it('sums up each pair once, with the gender of its first row; the end of the transaction empties the sums', async () => {
    const { client } = database();
    await client.query('begin');
    await stage(ROWS);
    await driver.functions.sumUpStagedRows();
    await driver.functions.sumUpStagedRows();
    expect(await summed()).to.deep.equal(['M1 C1 2 2.005 F', 'M1 C2 1 -2 M', 'M2 C1 1 3 M']);
    await client.query('commit');
    expect(await summed()).to.deep.equal([]);
  });

  it('may be done by the session that stages, or left to process_chunk: the state is the same', async () => {
    const { client } = database();
    const state = async (prefix: string) =>
      (
        await client.query<{ line: string }>(
          `select concat_ws(' ', substr(merchant_id, 2), customer_id, gender, transaction_count, total_amount) as line
           from bankpulse.customer_merchant_stats where merchant_id ^@ $1 order by merchant_id, customer_id`,
          [prefix],
        )
      ).rows.map(({ line }) => line);
    for (const [prefix, isEarly] of [
      ['e', true],
      ['l', false],
    ] as const) {
      await client.query('begin');
      await stage(ROWS.map((row) => ({ ...row, merchant: `${prefix}${row.merchant}` })));
      if (isEarly) await driver.functions.sumUpStagedRows();
      const { rowCount } = await driver.functions.processChunk({
        ...{ runId: driver.runId, objectKey: `chunk-${prefix}.csv`, etag: 'test', sizeBytes: 0, copyMs: 0 },
        ...{ batchRows: 50, detectionsPrefix: 'detections/', chunkOrder: 'name' },
      });
      await client.query('commit');
      expect(rowCount).to.equal(ROWS.length);
    }
    expect(await state('e')).to.deep.equal(['M1 C1 F 2 2.005', 'M1 C2 M 1 -2', 'M2 C1 M 1 3']);
    expect(await state('l')).to.deep.equal(await state('e'));
  });
});

describe('add_up', () => {
  const database = useDatabase('empty');

  it('gives what sum() gives, with as many decimals, and null of nothing', async () => {
    const { client } = database();
    const amount = fc
      .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat({ max: 20 }))
      .map(([digits, decimals]) => `${digits}e-${decimals}`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(amount), { maxLength: 12 }), async (amounts) => {
        const { rows } = await client.query<{ ours: string | null; theirs: string | null }>(
          `select bankpulse.add_up(amount)::text as ours, sum(amount)::text as theirs
           from unnest($1::numeric[]) as amounts (amount)`,
          [amounts],
        );
        expect(rows[0]!.ours).to.equal(rows[0]!.theirs);
      }),
      { numRuns: 50 },
    );
  });
});
