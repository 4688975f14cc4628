import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times, type Row } from '../support/chunks.js';

interface Near {
  pattern_id: string;
  merchant_id: string;
  customer_id: string;
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, step) => from + step);
const inOrder = (found: readonly Near[]) =>
  found
    .map(({ pattern_id, merchant_id, customer_id }) => [pattern_id, merchant_id, customer_id].join(' '))
    .sort();

describe('detection_reasons', () => {
  const database = useDatabase('seeded');

  async function texts(): Promise<string[]> {
    const { rows } = await database().client.query<{ reason_text: string }>(
      'select reason_text from bankpulse.detection_reasons order by detection_id',
    );
    return rows.map(({ reason_text }) => reason_text);
  }

  it('says of every pattern why it fired, in a sentence', async () => {
    expect(await texts()).to.deep.equal([
      'Customer customer-19 has made 4,560 of the 50,400 transactions at bazaar, more than 94.7 % of the other customers, but has a low weight there, 81.00: only 5.3 % have a lower one.',
      'Customer customer-20 has made 4,800 of the 50,400 transactions at bazaar, more than 100.0 % of the other customers, but has a low weight there, 80.00: only 0.0 % have a lower one.',
      'Customer customer-01 has paid corner-shop often, but little: 80 times, 12.50 on average, 1,000.00 in all.',
      'barber has many women among its customers, but fewer than men: 101 women, 150 men.',
    ]);
  });

  it('says by which thresholds each was judged, whatever they are now', async () => {
    const { client } = database();
    await client.query('begin');
    await client.query(`update bankpulse.patterns set thresholds = '{"transactions_from": 1, "average_amount_below": 1}'
      where pattern_id = 'PatId2'`);
    const { rows } = await client.query<{ thresholds: unknown }>(
      `select thresholds from bankpulse.detection_reasons where pattern_id = 'PatId2'`,
    );
    await client.query('rollback');
    expect(rows).to.deep.equal([{ thresholds: { transactions_from: 80, average_amount_below: 23 } }]);
  });

  it('stays what it was when thresholds change, and has a row for each detection', async () => {
    const { client } = database();
    const before = await texts();
    await client.query('begin');
    await client.query(`update bankpulse.patterns set thresholds = '{}', is_enabled = false`);
    expect(await texts()).to.deep.equal(before);
    await client.query('rollback');
    const { rows } = await client.query(
      `select detection_id, pattern_id, action_type, merchant_id, customer_id, chunk_no, detected_at, batch_no
       from bankpulse.detections
       except all
       select detection_id, pattern_id, action_type, merchant_id, customer_id, chunk_no, detected_at, batch_no
       from bankpulse.detection_reasons`,
    );
    expect(rows).to.deep.equal([]);
  });

  it('says plainly which number is missing, and lists the numbers of a pattern without a sentence', async () => {
    const { client } = database();
    await client.query('begin');
    await client.query(
      `insert into bankpulse.detections (
         pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, reason
       ) values
         ('PatId9', 'CALL', 'm', 'c', 3, 1, now(), '{"calls": 3000, "share_of_all": 0.12345, "paid": 12.5}'),
         ('PatId2', 'CHILD', 'm', '{merchant}', 3, 1, now(), '{"transactions": 3, "total_amount": 12.999}'),
         ('PatId3', 'DEI-NEEDED', 'm', '', 3, 1, now(), '{"female_customers": "many", "male_customers": 1}'),
         ('PatId3', 'DEI-NEEDED', 'n', '', 3, 1, now(), '["female_customers", "male_customers"]'),
         ('PatId9', 'CALL', 'm', '', 3, 1, now(), '7')`,
    );
    const shown = (await texts()).slice(-5);
    await client.query('rollback');
    expect(shown).to.deep.equal([
      'calls 3,000, paid 12.50, share of all 0.1234',
      'Customer {merchant} has paid m often, but little: 3 times, [no average_amount] on average, 12.99 in all.',
      'm has many women among its customers, but fewer than men: many women, 1 men.',
      '[no merchant] has many women among its customers, but fewer than men: [no female_customers] women, [no male_customers] men.',
      '',
    ]);
  });

  it('finds the newest by index, as the dashboard asks for them', async () => {
    const { client } = database();
    await client.query('begin; set local enable_seqscan = off; set local enable_sort = off');
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      'explain select * from bankpulse.detection_reasons order by detection_id desc limit 50',
    );
    await client.query('rollback');
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).to.include('Index Scan Backward using detections_detection_id').and.not.include('Sort');
  });

  it('writes numbers of any size and sign so that they can be read', async () => {
    const { rows } = await database().client.query<{ text: string }>(
      `select bankpulse.readable_number(number, decimals) as text
       from (values
         (0, 0), (999.5, 0), (1234567.891, 2), (-1234.5, 2), (-0.001, 2), (0.5, 1), (repeat('9', 40)::numeric, 0)
       ) as numbers (number, decimals)`,
    );
    expect(rows.map(({ text }) => text)).to.deep.equal([
      '0',
      '1,000',
      '1,234,567.89',
      '-1,234.50',
      '0.00',
      '0.5',
      `9${',999'.repeat(13)}`,
    ]);
  });
});

describe('near_matches', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;

  async function near(pattern: string): Promise<(Near & { missing_text: string; standing: object })[]> {
    const { rows } = await driver.client.query<Near & { missing_text: string; standing: object }>(
      'select * from bankpulse.near_matches where pattern_id = $1',
      [pattern],
    );
    return rows;
  }

  const textOf = async (pattern: string, merchant: string, customer = '') =>
    (await near(pattern)).find((one) => one.merchant_id === merchant && one.customer_id === customer)
      ?.missing_text;

  // PatId2: every number of visits and every average around the thresholds
  const visits = range(70, 82);
  const averages = ['22', '22.99', '23', '25.29', '25.3', '26'];
  const children = visits.flatMap((count) => averages.map((average) => ({ count, average })));

  // PatId1, with 2,000 instead of 50,000: merchants of different sizes with the same ranks among 21 customers
  const sizes = [1799, 1800, 1801, 2000, 2001];
  const MERCHANT_ROWS = 210;
  const fill = (merchant: string, size: number): Row[] => [
    ...range(1, 20).flatMap((place) => times(place, { customer: `c${place}`, merchant, gender: '' })),
    ...times(size - MERCHANT_ROWS, { customer: 'c21', merchant, gender: '' }),
  ];
  // the more visits, the lower the weight, but for a few
  const weightOf = (place: number) => (place === 18 ? 5 : 22 - place);

  // PatId3
  const couples = [90, 91, 100, 101].flatMap((women) =>
    [women - 10, women - 9, women - 8, women, women + 1].map((men) => ({ women, men })),
  );
  const barber = ({ women, men }: { women: number; men: number }) => `barber ${women} ${men}`;

  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.setThresholds('PatId1', { merchant_transactions_above: 2000 });
    await driver.loadWeights(
      sizes.flatMap((size) =>
        range(1, 21).map((place) => ({
          customer: `c${place}`,
          merchant: `shop ${size}`,
          weight: weightOf(place),
        })),
      ),
    );
    await driver.apply([
      ...sizes.flatMap((size) => fill(`shop ${size}`, size)),
      ...children.flatMap(({ count, average }) =>
        times(count, { customer: `${count} ${average}`, merchant: 'kiosk', amount: average, gender: '' }),
      ),
      ...couples.flatMap((couple) => [
        ...range(1, couple.women).map((n) => ({ customer: `w${n}`, merchant: barber(couple), gender: 'F' })),
        ...range(1, couple.men).map((n) => ({ customer: `m${n}`, merchant: barber(couple), gender: 'M' })),
      ]),
    ]);
  });

  it('has for PatId2 who has at least 72 transactions and less than 25.3 on average, and does not fire', async () => {
    const expected = children
      .filter(
        ({ count, average }) =>
          count >= 72 && Number(average) < 25.3 && !(count >= 80 && Number(average) < 23),
      )
      .map(({ count, average }) => `PatId2 kiosk ${count} ${average}`);
    expect(expected).to.have.length(38);
    expect(inOrder(await near('PatId2'))).to.deep.equal(expected.sort());
    expect(await textOf('PatId2', 'kiosk', '79 22.99')).to.equal('transactions: 79, at least 80 needed');
    expect(await textOf('PatId2', 'kiosk', '80 23')).to.equal('average amount: 23.00, less than 23 needed');
    expect(await textOf('PatId2', 'kiosk', '72 25.29')).to.equal(
      'transactions: 72, at least 80 needed; average amount: 25.29, less than 23 needed',
    );
  });

  it('has for PatId3 who has more than 90 women and fewer than men, and does not fire', async () => {
    const expected = couples
      .filter(({ women, men }) => women > 90 && women < men && !(women > 100))
      .map((couple) => `PatId3 ${barber(couple)} `);
    expect(expected).to.deep.equal(['PatId3 barber 91 92 ', 'PatId3 barber 100 101 ']);
    expect(inOrder(await near('PatId3'))).to.deep.equal(expected.sort());
    expect(await textOf('PatId3', 'barber 100 101')).to.equal('female customers: 100, more than 100 needed');
  });

  it('has for PatId1 what pattern_matches says with thresholds 10 % easier, and does not fire', async () => {
    const matches = async () =>
      inOrder(
        (
          await driver.client.query<Near>(
            `select * from bankpulse.pattern_matches where pattern_id = 'PatId1'`,
          )
        ).rows,
      );
    const fired = await matches();
    await driver.client.query('begin');
    await driver.setThresholds('PatId1', {
      merchant_transactions_above: 1800,
      count_percent_rank_from: 0.81,
      weight_percent_rank_up_to: 0.11,
    });
    const easier = await matches();
    await driver.client.query('rollback');
    expect(fired).to.deep.equal([19, 20, 21].map((place) => `PatId1 shop 2001 c${place}`));
    const expected = easier.filter((match) => !fired.includes(match));
    expect(expected).to.have.length.greaterThan(4);
    expect(inOrder(await near('PatId1'))).to.deep.equal(expected);
  });

  it('says of PatId1 each thing that is missing', async () => {
    expect(await textOf('PatId1', 'shop 2000', 'c20')).to.equal(
      'merchant transactions: 2,000, more than 2,000 needed',
    );
    // 17 of 20 others come less often: 0.85. With the threshold at 0.105, two of 20 with a lower weight are too many.
    await driver.client.query('begin');
    await driver.client.query(
      `update bankpulse.customer_weights set average_weight = case customer_id when 'c18' then 2.5 else average_weight end`,
    );
    const frequent = await textOf('PatId1', 'shop 2001', 'c18');
    await driver.setThresholds('PatId1', { weight_percent_rank_up_to: 0.095 });
    const light = await textOf('PatId1', 'shop 2001', 'c18');
    await driver.client.query('rollback');
    expect(frequent).to.equal('count percent rank: 85 %, at least 90 % needed');
    expect(light).to.equal(
      'count percent rank: 85 %, at least 90 % needed; weight percent rank: 10 %, at most 9.5 % needed',
    );
  });

  it('leaves out what was detected before, though it no longer holds', async () => {
    const fired = { customer: '80 22', merchant: 'kiosk' };
    expect(await driver.detected('PatId2', 'kiosk')).to.include(fired.customer);
    const { client } = driver;
    await client.query('begin');
    await client.query(
      `update bankpulse.customer_merchant_stats set total_amount = 24 * transaction_count
       where merchant_id = 'kiosk' and customer_id = '80 22'`,
    );
    const silent = await textOf('PatId2', 'kiosk', '80 22');
    await client.query(`delete from bankpulse.detections where customer_id = '80 22'`);
    const spoken = await textOf('PatId2', 'kiosk', '80 22');
    await client.query('rollback');
    expect({ silent, spoken }).to.deep.equal({
      silent: undefined,
      spoken: 'average amount: 24.00, less than 23 needed',
    });
  });

  it('is silent about a pattern that is switched off', async () => {
    await driver.client.query('begin');
    await driver.client.query(
      `update bankpulse.patterns set is_enabled = false where pattern_id <> 'PatId3'`,
    );
    const rows = [await near('PatId1'), await near('PatId2'), await near('PatId3')];
    await driver.client.query('rollback');
    expect(rows.map(({ length }) => length > 0)).to.deep.equal([false, false, true]);
  });
});

describe('merchants_near_threshold', () => {
  const database = useDatabase('empty');

  it('has merchants that have not passed, the nearest first, with the chunks it takes at the present pace', async () => {
    const driver = await ChunkDriver.start(database().client);
    await driver.setThresholds('PatId1', { merchant_transactions_above: 100 });
    for (let chunk = 0; chunk < 10; chunk++)
      await driver.apply([
        ...times(3, { customer: 'c', merchant: 'small' }),
        ...times(9, { customer: 'c', merchant: 'middle' }),
        ...times(11, { customer: 'c', merchant: 'passed' }),
        ...times(10, { customer: 'c', merchant: 'at 100' }),
      ]);
    const { rows } = await driver.client.query(
      `select
         merchant_id, transaction_count::int, transactions_to_go::int, share_reached::float,
         transactions_per_chunk::float, chunks_to_go::int
       from bankpulse.merchants_near_threshold`,
    );
    expect(rows.map((row) => Object.values(row as object) as unknown[])).to.deep.equal([
      ['at 100', 100, 1, 1, 10, 1],
      ['middle', 90, 11, 0.9, 9, 2],
      ['small', 30, 71, 0.3, 3, 24],
    ]);
  });

  it('knows no pace after empty chunks', async () => {
    const { client, apply } = await ChunkDriver.start(database().client).then((driver) => ({
      client: driver.client,
      apply: () => driver.apply([]),
    }));
    for (let chunk = 0; chunk < 10; chunk++) await apply();
    const { rows } = await client.query<{ chunks_to_go: string | null }>(
      'select chunks_to_go from bankpulse.merchants_near_threshold',
    );
    expect(rows.map(({ chunks_to_go }) => chunks_to_go)).to.deep.equal([null, null, null]);
  });
});

describe('throughput_per_minute and slowest_chunks', () => {
  const database = useDatabase('empty');

  before(async () => {
    await database().client.query(
      `insert into bankpulse.runs default values;
       insert into bankpulse.chunks (
         object_key, chunk_no, etag, size_bytes, status, run_id, row_count, rejected_count, detection_count,
         applied_at, quarantined_at, timings, error
       ) values
         ('1.csv', 1, 'e', 0, 'applied', 1, 100, 1, 2, '2026-01-01 10:00:59.9Z', null, '{"copy": 10, "pairs": 20.26}', null),
         ('2.csv', 2, 'e', 0, 'applied', 1, 200, 0, 3, '2026-01-01 10:01:00Z', null, '{"copy": 30.5, "detect": 30.5}', null),
         ('3.csv', 3, 'e', 0, 'applied', 1, 300, 2, 0, '2026-01-01 10:01:30Z', null, '{"copy": 1}', null),
         ('4.csv', 4, 'e', 0, 'applied', 1, 0, 0, 0, '2026-01-01 10:03:00Z', null, null, null),
         ('5.csv', null, 'e', 0, 'quarantined', 1, 0, 0, 0, null, '2026-01-01 10:04:00Z', null, 'empty')`,
    );
  });

  it('counts chunks, rows, rejects and detections of each minute that had any', async () => {
    const { rows } = await database().client.query(
      `select
         to_char(minute at time zone 'UTC', 'HH24:MI:SS') as minute, chunk_count::int, row_count::int,
         rejected_count::int, detection_count::int, average_chunk_ms::float
       from bankpulse.throughput_per_minute`,
    );
    expect(rows.map((row) => Object.values(row as object) as unknown[])).to.deep.equal([
      ['10:03:00', 1, 0, 0, 0, null],
      ['10:01:00', 2, 500, 2, 3, 31],
      ['10:00:00', 1, 100, 1, 2, 30.3],
    ]);
  });

  it('has the slowest chunk first, and where its time went', async () => {
    const { rows } = await database().client.query(
      'select chunk_no::int, total_ms::float, slowest_step, step_times from bankpulse.slowest_chunks',
    );
    expect(rows.map((row) => Object.values(row as object) as unknown[])).to.deep.equal([
      [2, 61, 'copy', 'copy 30.5, detect 30.5'],
      [1, 30.3, 'pairs', 'pairs 20.3, copy 10.0'],
      [3, 1, 'copy', 'copy 1.0'],
      [4, 0, null, null],
    ]);
  });
});
