import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { isTransientDatabaseError, messageOf } from '../../src/errors.js';
import { ChunkDriver, type Row } from '../support/chunks.js';
import { describeOnCitus, preparedOn, useCitusDatabase } from '../support/citus.js';
import { useDatabase } from '../support/database.js';
import { until } from '../support/detector.js';

/** So many that each shard has one; each chunk touches them all. */
const merchants = Array.from({ length: 8 }, (_, index) => `M${index}`);

/** Known and new customers of each merchant; the merchants pass PatId1's threshold on the way. */
function rowsOf(chunk: number): Row[] {
  return Array.from({ length: 60 }, (_, index) => ({
    customer: `C${index % 3 ? (index * 7) % 11 : chunk * 100 + index}`,
    gender: index % 5 < 2 ? 'F' : 'M',
    merchant: merchants[index % merchants.length]!,
    amount: (index % 5) + 1,
  }));
}

const weights = merchants.flatMap((merchant) =>
  Array.from({ length: 11 }, (_, index) => ({ customer: `C${index}`, merchant, weight: (index * 5) % 11 })),
);

const STATE = [
  'customer_merchant_stats',
  'merchant_stats',
  'merchant_count_histogram',
  'merchant_top_counts',
  'upgrade_candidates',
];

/** What a stream came to: detections with chunk and reason, the ledger's counts, the running state. */
async function outcome(client: pg.Client): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {};
  for (const [name, text] of [
    ['chunks', 'select chunk_no, row_count, detection_count from bankpulse.chunks order by chunk_no'],
    [
      'detections',
      'select pattern_id, merchant_id, customer_id, chunk_no, reason from bankpulse.detections order by detection_id',
    ],
    ...STATE.map((table) => [
      table,
      `select to_jsonb(state) as row from bankpulse.${table} as state order by to_jsonb(state)`,
    ]),
  ] as [string, string][]) {
    found[name] = (await client.query<Record<string, unknown>>(text)).rows;
  }
  return found;
}

async function prepare(client: pg.Client): Promise<ChunkDriver> {
  const driver = await ChunkDriver.start(client);
  await driver.setThresholds('PatId1', {
    merchant_transactions_above: 25,
    count_percent_rank_from: 0.5,
    weight_percent_rank_up_to: 0.5,
  });
  await driver.setThresholds('PatId2', { transactions_from: 4 });
  await driver.setThresholds('PatId3', { female_customers_above: 2 });
  await driver.loadWeights(weights);
  return driver;
}

/** What a chunk failed with before it was applied; each must be worth a retry. */
async function applyPatiently(driver: ChunkDriver, chunk: number, rows = rowsOf(chunk)): Promise<string[]> {
  const failures: string[] = [];
  for (;;) {
    try {
      await driver.apply(rows, { key: `chunk_${chunk}.csv` });
      return failures;
    } catch (error) {
      if (!isTransientDatabaseError(error) || failures.length > 20) throw error;
      failures.push(messageOf(error));
    }
  }
}

describeOnCitus('a chunk that one worker has not committed', (coordinatorUrl) => {
  const plain = useDatabase('empty');
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4, linked: true });
  let undisturbed: ChunkDriver;
  let driver: ChunkDriver;
  /** The last chunk that was applied to each. */
  let chunk = 0;
  let undisturbedChunk = 0;
  before(async () => {
    undisturbed = await prepare(plain().client);
    driver = await prepare(database().client);
  });

  /** The same chunks on one PostgreSQL come to the same. */
  afterEach('compare', async () => {
    while (undisturbedChunk < chunk) await applyPatiently(undisturbed, ++undisturbedChunk);
    const [found, expected] = [await outcome(database().client), await outcome(plain().client)];
    for (const about of Object.keys(expected)) expect(found[about], about).to.deep.equal(expected[about]);
  });
  const untilWaitingOn = (...urls: string[]) =>
    until('a statement waits for a lock', async () => {
      for (const url of urls) {
        const client = await connect({ connectionString: url });
        const { rowCount } = await client.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        await client.end();
        if (rowCount! > 0) return true;
      }
      return false;
    });

  /** Citus does this by itself, at the latest after citus.recover_2pc_interval. */
  async function recover(): Promise<void> {
    const client = await connect(database().config);
    await client.query('select recover_prepared_transactions()');
    await client.end();
  }

  for (const place of [0, 1]) {
    it(`because its connection was lost between the phases (worker ${place + 1}) lets the next one wait, which then succeeds by a retry`, async () => {
      const { url, link } = database().workers[place]!;
      for (let round = 0; round < 3; round++) {
        link!.resetAt('COMMIT PREPARED');
        expect(await applyPatiently(driver, ++chunk)).to.deep.equal([]);
        expect(await preparedOn(url)).to.have.length(1);
        const next = applyPatiently(driver, ++chunk);
        await untilWaitingOn(url);
        await recover();
        expect(await next).to.have.length(1);
        expect(await preparedOn(url)).to.deep.equal([]);
      }
    });
  }

  it('yet, while the next one is applied by another session, lets that wait, which then succeeds by a retry', async () => {
    const client = await connect(database().config);
    try {
      const second = await driver.startSecond(client);
      for (const { url, link } of database().workers) {
        const isHeld = link!.holdAt('COMMIT PREPARED');
        const first = applyPatiently(driver, ++chunk);
        const { release } = await isHeld;
        const next = applyPatiently(second, ++chunk);
        // Citus itself lets some statements wait on the coordinator until the commit is through
        await untilWaitingOn(url, database().url);
        release();
        expect(await first).to.deep.equal([]);
        expect(await next).to.have.length(1);
      }
    } finally {
      await client.end();
    }
  });

  it('and that a change of rules follows is seen before all state is judged', async () => {
    const { url, link } = database().workers[0]!;
    link!.resetAt('COMMIT PREPARED');
    await applyPatiently(driver, ++chunk);
    const isPrepared = await preparedOn(url);
    expect(isPrepared).to.have.length(1);
    await driver.setThresholds('PatId2', { transactions_from: 3 });
    const next = applyPatiently(driver, ++chunk, []);
    const wasWaiting = await Promise.race([next.then(() => false), sleep(2000, true)]);
    await recover();
    await next;
    expect(wasWaiting).to.equal(true);
    // as it was changed here
    await applyPatiently(undisturbed, ++undisturbedChunk);
    await undisturbed.setThresholds('PatId2', { transactions_from: 3 });
    await applyPatiently(undisturbed, ++undisturbedChunk, []);
  });

  it('because a connection was lost before that, at any statement, is not applied, and then is by a retry', async () => {
    for (const text of [
      'BEGIN',
      'COPY',
      'INSERT INTO bankpulse.customer',
      'UPDATE',
      'MERGE',
      'DELETE',
      'PREPARE TRANSACTION',
    ]) {
      for (const { link } of database().workers) {
        link!.resetAt(text);
        expect(await applyPatiently(driver, ++chunk), text).to.have.length(1);
        expect(link!.isArmed, text).to.equal(false);
      }
    }
    await recover();
    // all this time there was something to detect
    const { rows } = await database().client.query<{ pattern_id: string }>(
      'select distinct pattern_id from bankpulse.detections order by pattern_id',
    );
    expect(rows.map(({ pattern_id }) => pattern_id)).to.deep.equal(['PatId1', 'PatId2', 'PatId3']);
  });
});
