import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver } from '../support/chunks.js';

interface StagedRecord {
  problem?: string;
  line?: string;
  customer?: string;
  gender?: string;
  merchant?: string;
  amount?: string;
}

describe('accept_staged_records', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });
  afterEach(() => driver.client.query('rollback'));

  let files = 0;

  /** Accepts or rejects records, the first on line 2, in a transaction that is left open. */
  async function accept(records: readonly StagedRecord[]) {
    const { client } = driver;
    const file = `file-${++files}`;
    await client.query('begin');
    for (const [place, record] of records.entries()) {
      const { customer = 'c', gender = 'F', merchant = 'm', amount = '1' } = record;
      await client.query(
        `insert into pg_temp.staged_records (line_number, problem, line, customer_id, gender, merchant_id, amount)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [place + 2, record.problem ?? null, record.line ?? '', customer, gender, merchant, amount],
      );
    }
    const counted = await client.query<{ count: string }>(
      'select bankpulse.accept_staged_records(p_object_key => $1) as count',
      [file],
    );
    const accepted = await client.query<Record<string, string>>(
      'select customer_id as customer, substr(placed_gender, 11) as gender, merchant_id as merchant, amount from staged_rows order by placed_gender',
    );
    const rejected = await client.query<{ place: number; line: string; reason: string }>(
      `select line_number::int as place, line, reason from bankpulse.rejected_rows
       where object_key = $1 order by line_number`,
      [file],
    );
    expect(Number(counted.rows[0]!.count)).to.equal(rejected.rows.length);
    return { accepted: accepted.rows, rejected: rejected.rows };
  }

  it('cleans accepted records, and keeps them in the order of their lines', async () => {
    const { accepted, rejected } = await accept([
      { customer: " 'b' ", gender: "'F'", merchant: "\t'm'\n", amount: " '-1.50' " },
      { customer: 'a', gender: ' ', merchant: 'n', amount: "'1e2'" },
    ]);
    expect(accepted).to.deep.equal([
      { customer: 'b', gender: 'F', merchant: 'm', amount: '-1.50' },
      { customer: 'a', gender: '', merchant: 'n', amount: '100' },
    ]);
    expect(rejected).to.deep.equal([]);
  });

  it('rejects a record with the first thing that is wrong with it, and its line', async () => {
    const long = 'é'.repeat(501);
    const { accepted, rejected } = await accept([
      { problem: 'the row has 3 fields, not 4', line: 'a,b,c', customer: '' },
      { customer: " '' ", line: 'no customer', amount: 'x' },
      { merchant: "''", line: 'no merchant' },
      { amount: "'1_000'", line: 'bad amount' },
      { amount: '', line: 'no amount' },
      { customer: long, line: 'long customer' },
      { merchant: long, line: 'long merchant' },
      { customer: 'good' },
    ]);
    expect(rejected).to.deep.equal([
      { place: 2, line: 'a,b,c', reason: 'the row has 3 fields, not 4' },
      { place: 3, line: 'no customer', reason: 'the customer is empty' },
      { place: 4, line: 'no merchant', reason: 'the merchant is empty' },
      { place: 5, line: 'bad amount', reason: 'the amount is not a valid number' },
      { place: 6, line: 'no amount', reason: 'the amount is not a valid number' },
      { place: 7, line: 'long customer', reason: 'the customer is longer than 1,000 bytes' },
      { place: 8, line: 'long merchant', reason: 'the merchant is longer than 1,000 bytes' },
    ]);
    expect(accepted.map(({ customer }) => customer)).to.deep.equal(['good']);
  });

  it('takes names of 1,000 bytes, which the keys of all tables can hold', async () => {
    // random enough that compression cannot make them fit
    const name = (seed: number) =>
      Array.from({ length: 1000 }, (_, place) =>
        String.fromCharCode(33 + ((place * place * 31 + place * seed * 17 + (place % 89) * seed) % 90)),
      )
        .join('')
        .replaceAll("'", '~');
    await driver.apply([{ customer: name(7), merchant: name(11) }]);
    const { accepted, rejected } = await accept([{ customer: name(7), merchant: name(11) }]);
    expect([accepted.length, rejected.length]).to.deep.equal([1, 0]);
  });

  it('does nothing where nothing is staged', async () => {
    expect(await accept([])).to.deep.equal({ accepted: [], rejected: [] });
  });
});

describe('load_importance', () => {
  const database = useDatabase('empty');

  it('replaces weights, rejected rows and the note of the file by those of the new file', async () => {
    const { client } = database();
    const driver = await ChunkDriver.start(client);
    const load = async (file: string, ...records: [customer: string, weight: string][]) => {
      await client.query('begin');
      await client.query(
        `insert into pg_temp.staged_records (line_number, line, customer_id, gender, merchant_id, amount)
         select place + 1, customer, customer, '', 'm', weight
         from unnest($1::text[], $2::text[]) with ordinality as listed (customer, weight, place)`,
        [records.map(([customer]) => customer), records.map(([, weight]) => weight)],
      );
      const counts = await driver.functions.loadImportance(driver.runId, file, `hash of ${file}`);
      await client.query('commit');
      return counts;
    };
    expect(await load('old.csv', ['a', '1'], ['a', '2'], ['b', 'x'], ['b', 'NaN'])).to.deep.equal({
      rowCount: 2,
      rejectedCount: 2,
    });
    expect(await load('new.csv', ['c', '1'], ['', '1'])).to.deep.equal({ rowCount: 1, rejectedCount: 1 });
    const { rows } = await client.query(
      `select
         (select jsonb_agg(customer_id) from bankpulse.customer_weights) as weights,
         (select jsonb_agg(object_key || ' ' || line_number) from bankpulse.rejected_rows) as rejected,
         (select jsonb_agg(jsonb_build_array(file_name, fingerprint, row_count, rejected_count))
          from bankpulse.importance_file) as files`,
    );
    expect(rows).to.deep.equal([
      { weights: ['c'], rejected: ['new.csv 3'], files: [['new.csv', 'hash of new.csv', 1, 1]] },
    ]);
  });
});
