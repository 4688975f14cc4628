import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type pg from 'pg';
import { projectDir } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { distribute } from '../../src/database/distribution.js';
import { migrate } from '../../src/database/schema.js';
import { UserError, hasSqlState, messageOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { ChunkDriver, times } from '../support/chunks.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { useDatabase } from '../support/database.js';

const log = createLog('error');

async function refusal(client: pg.Client): Promise<string> {
  const error: unknown = await distribute(client, 4).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(UserError);
  return messageOf(error);
}

describe('npm run distribute without Citus', () => {
  const database = useDatabase('empty');
  it('names the two statements that bring it', async () => {
    expect(await refusal(database().client)).to.match(
      /^this database has no extension citus: say "create extension citus" .*"select citus_add_node\('HOST', PORT\)"/,
    );
  });
});

describeOnCitus('npm run distribute', (coordinatorUrl) => {
  const alone = useCitusDatabase(coordinatorUrl, { workers: 0 });
  const database = useCitusDatabase(coordinatorUrl, { workers: 2 });
  const plain = useDatabase('empty');
  let driver: ChunkDriver;
  let undisturbed: ChunkDriver;
  let chunk = 0;

  /** The next chunk, here and on one PostgreSQL. */
  async function apply(): Promise<void> {
    chunk++;
    const rows = Array.from({ length: 30 }, (_, index) => ({
      customer: `C${(index * chunk) % 17}`,
      gender: index % 3 ? 'F' : 'M',
      merchant: `M${index % 7}`,
      amount: (index % 4) + 0.25,
    }));
    await driver.apply([...rows, ...times(3, { customer: `N${chunk}`, merchant: 'M1', amount: 1 })]);
    await undisturbed.apply([...rows, ...times(3, { customer: `N${chunk}`, merchant: 'M1', amount: 1 })]);
  }

  async function setUp(client: pg.Client): Promise<ChunkDriver> {
    const made = await ChunkDriver.start(client);
    await made.setThresholds('PatId1', { merchant_transactions_above: 20, weight_percent_rank_up_to: 0.5 });
    await made.setThresholds('PatId2', { transactions_from: 3 });
    await made.setThresholds('PatId3', { female_customers_above: 3 });
    await made.loadWeights(
      times(1, { customer: 'C0', merchant: 'M1' }).map((row) => ({ ...row, weight: 1 })),
    );
    return made;
  }

  async function expectTheSame(): Promise<void> {
    for (const text of [
      'select pattern_id, merchant_id, customer_id, chunk_no, reason from bankpulse.detections order by detection_id',
      'select to_jsonb(state) as row from bankpulse.customer_merchant_stats as state order by to_jsonb(state)',
      'select to_jsonb(state) as row from bankpulse.merchant_stats as state order by to_jsonb(state)',
      'select to_jsonb(state) as row from bankpulse.merchant_count_histogram as state order by to_jsonb(state)',
    ]) {
      const found = await database().client.query<Record<string, unknown>>(text);
      const expected = await plain().client.query<Record<string, unknown>>(text);
      expect(found.rows, text).to.deep.equal(expected.rows);
    }
  }

  async function withOwner<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = await connect(database().config);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  before(async () => {
    await withOwner((client) => migrate(client, log));
    undisturbed = await setUp(plain().client);
  });

  it('without a worker names the statement that adds one', async () => {
    await migrate(alone().client, log);
    expect(await refusal(alone().client)).to.match(
      /^Citus knows no worker: .*citus_add_node\('HOST', PORT\)/,
    );
  });

  it('while a Y works is refused', async () => {
    const client = await connect(database().config);
    driver = await setUp(client);
    await apply();
    await apply();
    expect(await withOwner(refusal)).to.match(/^mechanism Y is at work/);
    await client.end();
  });

  it('distributes a database that is full, and Y goes on', async () => {
    const done = await withOwner((client) => distribute(client, 4));
    expect(done).to.deep.include({ workers: 2, shards: 4 });
    expect(done.distributed).to.include.members([
      'customer_merchant_stats',
      'merchant_stats',
      'bankpulse_lane_8',
    ]);
    await withOwner((client) => migrate(client, log));
    await expectTheSame();
    const client = await connect(database().config);
    const former = driver;
    driver = await ChunkDriver.start(client);
    expect(driver.runId).to.be.greaterThan(former.runId);
    await apply();
    await expectTheSame();
    await client.end();
  });

  it('a second time changes nothing and leaves no trace', async () => {
    const runs = async () =>
      (await database().client.query<object>('select run_id from bankpulse.runs order by run_id')).rows;
    const before = await runs();
    expect((await withOwner((client) => distribute(client))).distributed).to.deep.equal([]);
    expect(await runs()).to.deep.equal(before);
  });

  it('with another number of shards is refused, because the first time decides', async () => {
    const refusal = await withOwner((client) => distribute(client, 9)).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(UserError);
    expect(messageOf(refusal)).to.match(
      /^the state is distributed in \d shards already, and the first time decides/,
    );
  });

  it('lets migrate go on: a table is altered, and all of sql/ is applied again', async () => {
    await withOwner(async (client) => {
      await client.query('begin');
      await client.query('alter table bankpulse.merchant_stats add column note text');
      await client.query(
        'alter table bankpulse.customer_merchant_stats add column note bigint not null default 0',
      );
      await client.query('commit');
      await client.query('alter table bankpulse.merchant_stats drop column note');
      await client.query('alter table bankpulse.customer_merchant_stats drop column note');
      await client.query('delete from bankpulse.applied_sql_files');
      await migrate(client, log);
    });
    const client = await connect(database().config);
    driver = await ChunkDriver.start(client);
    await apply();
    await apply();
    await expectTheSame();
    await client.end();
  });

  it('has lanes for eight sessions; the ninth waits until one is free', async () => {
    const sessions: pg.Client[] = [];
    try {
      for (let lane = 1; lane <= 8; lane++) {
        const client = await connect(database().config);
        sessions.push(client);
        await client.query('select bankpulse.open_staging()');
      }
      const late = await connect(database().config);
      sessions.push(late);
      const error: unknown = await late
        .query('select bankpulse.open_staging()')
        .catch((thrown: unknown) => thrown);
      expect(hasSqlState(error, 'noLaneFree')).to.equal(true);
      await sessions.shift()!.end();
      await late.query('select bankpulse.open_staging()');
    } finally {
      for (const client of sessions) await client.end();
    }
  });

  it('gives bankpulse_writer what mechanism Y needs, and bankpulse_reader the views alone', async () => {
    const { client, url, name } = database();
    const [writer, reader] = [`${name}_writer`, `${name}_reader`];
    const grants = await readFile(join(projectDir, 'sql/14_grants/grants.sql'), 'utf8');
    await client.query(`create role ${writer} login; create role ${reader} login`);
    await client.query(`grant bankpulse_writer to ${writer}; grant bankpulse_reader to ${reader}`);
    await client.query(grants);
    const as = (role: string) => {
      const changed = new URL(url);
      changed.username = role;
      return connect({ connectionString: changed.href });
    };
    try {
      const writing = await as(writer);
      driver = await ChunkDriver.start(writing);
      await apply();
      // new rules: each worker is asked whether it has committed
      for (const { client: owner } of [database(), plain()])
        await owner.query(
          `update bankpulse.patterns set thresholds = thresholds || '{"transactions_from": 2}' where pattern_id = 'PatId2'`,
        );
      await apply();
      await apply();
      await writing.query('select bankpulse.refresh_views()');
      await writing.end();
      await expectTheSame();

      const reading = await as(reader);
      for (const view of [
        'customer_averages',
        'merchants_near_threshold',
        'pipeline_status',
        'dashboard_merchants',
      ])
        await reading.query(`select * from bankpulse.${view}`);
      const error: unknown = await reading
        .query('delete from bankpulse.merchant_stats')
        .catch((thrown: unknown) => thrown);
      expect(hasSqlState(error, 'insufficientPrivilege')).to.equal(true);
      await reading.end();
    } finally {
      for (const role of [writer, reader]) await client.query(`drop role ${role}`);
    }
  });
});
