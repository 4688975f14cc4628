import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { InputChunk } from '../../scripts/bench/input.js';
import {
  checkAlike,
  contenderOf,
  openContenders,
  readDetections,
  timeInTurn,
} from '../../scripts/bench/peers.js';
import type { Contender } from '../../scripts/bench/peers.js';
import type { Detection, Peer, PeerName } from '../../scripts/bench/peers/peer.js';
import { openLane } from '../../scripts/bench/timed-lane.js';
import { UserError } from '../../src/errors.js';
import { Random } from '../../src/generate/random.js';
import { connect } from '../../src/database/connection.js';
import { ChunkDriver } from '../support/chunks.js';
import { createTestDatabase, dropTestDatabase, type TestDatabase } from '../support/database.js';

const CHUNKS = 6;
const ROWS = 2000;
const MERCHANTS = ['M1', 'M2', 'M3', 'M4', 'M5'];
/** One more than a multiple of ten, so that one customer is exactly at 10 %, and one at 90 %. */
const CUSTOMERS = 61;
const HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';
const NAMES: readonly PeerName[] = ['views', 'duckdb_history', 'duckdb_state'];

/** Customers come one after the other, and change their gender from row to row; merchants differ in size and prices. */
function makeChunks(): InputChunk[] {
  const random = new Random(5);
  return Array.from({ length: CHUNKS }, (_, index) => {
    const rows = Array.from({ length: ROWS }, () => {
      const merchant = Math.min(random.below(MERCHANTS.length), random.below(MERCHANTS.length));
      const known = Math.min(CUSTOMERS, 15 + 10 * index);
      const customer = Math.max(random.below(known), random.below(known) - 4 * merchant);
      const amount = (random.below(3800 + 400 * merchant) / 100).toFixed(2);
      const gender = random.pick(['F', 'M', 'M', 'F', 'M', 'E']);
      return `${index},'C${customer}','3','${gender}','28007','${MERCHANTS[merchant]}','28007','es_food',${amount},0`;
    });
    return { number: index + 1, rows: ROWS, content: Buffer.from(`${[HEADER, ...rows].join('\n')}\n`) };
  });
}

function makeWeights() {
  const random = new Random(6);
  return MERCHANTS.flatMap((merchant) =>
    Array.from({ length: CUSTOMERS }, (_, customer) => ({
      customer: `C${customer}`,
      merchant,
      weight: random.below(60),
    })),
  );
}

describe('the peers of the benchmark', () => {
  let database: TestDatabase;
  let folder: string;
  let contenders: Contender[] = [];
  const closing: (() => void | Promise<void>)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-peers-'));
    database = await createTestDatabase('empty');
    const client = await connect(database.config);
    const driver = await ChunkDriver.start(client);
    await driver.setThresholds('PatId1', { merchant_transactions_above: 1500 });
    await driver.setThresholds('PatId2', { transactions_from: 20 });
    await driver.setThresholds('PatId3', { female_customers_above: 8 });
    await driver.loadWeights(makeWeights());
    contenders = await openContenders(NAMES, database.config, client, folder, (close) => closing.push(close));
    await client.end(); // it holds the lease until then
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
    await dropTestDatabase(database);
    await rm(folder, { recursive: true, force: true });
  });

  /** Times all chunks. @returns BankPulse's detections */
  async function timeAll(
    some: readonly Contender[],
    takesPart: (chunk: number) => boolean,
  ): Promise<Detection[]> {
    const lane = await openLane(database.config);
    try {
      for (const chunk of makeChunks())
        await timeInTurn(lane, chunk, some, folder, () => takesPart(chunk.number));
    } finally {
      await lane.close();
    }
    return await readDetections(database.client);
  }

  it('find after each chunk what BankPulse finds', async () => {
    const detections = await timeAll(contenders, () => true);
    for (const pattern of ['PatId1', 'PatId2', 'PatId3']) {
      const chunks = new Set(detections.filter((each) => each.pattern === pattern).map(({ chunk }) => chunk));
      expect(chunks.size, `chunks in which ${pattern} fires`).to.be.at.least(2);
    }
    for (const { name, ms, differences } of contenders) {
      expect([...ms.keys()], name).to.deep.equal([1, 2, 3, 4, 5, 6]);
      expect(differences, name).to.deep.equal([]);
    }
  });

  it('find the same when they catch up in bulk between', async () => {
    const detections = await timeAll(contenders, (chunk) => chunk === 2 || chunk >= 5);
    expect(detections.filter(({ chunk }) => chunk >= 5)).not.to.be.empty;
    for (const { name, ms, differences } of contenders) {
      expect([...ms.keys()], name).to.deep.equal([2, 5, 6]);
      expect(differences, name).to.deep.equal([]);
    }
  });

  it('fail the benchmark when they find other detections', async () => {
    const peer = contenders[0]!;
    const wrong: Peer = {
      ...peer,
      async apply(chunk) {
        const [, ...found] = await peer.apply(chunk);
        return [...found, { pattern: 'PatId3', merchant: 'M0', customer: '', chunk: chunk.number }];
      },
    };
    const contender = contenderOf(wrong);
    await timeAll([contender], (chunk) => chunk === 6);
    expect(contender.differences).to.include('views + 6 PatId3 M0 ');
    expect(contender.differences.some((line) => line.startsWith('views - '))).to.be.true;
    expect(() => checkAlike([contender])).to.throw(UserError, 'views + 6 PatId3 M0 ');
  });
});
