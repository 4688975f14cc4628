import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { InputChunk } from '../../scripts/bench/input.js';
import { Contender } from '../../scripts/bench/peers/contender.js';
import { Contest, readDetections } from '../../scripts/bench/peers/contest.js';
import { openPeers } from '../../scripts/bench/peers/open-peers.js';
import type { Detection, Peer, PeerName } from '../../scripts/bench/peers/peer.js';
import { Random } from '../../src/generate/random.js';
import { connect } from '../../src/database/connection.js';
import { ChunkDriver } from '../support/chunks.js';
import { createTestDatabase, dropTestDatabase, type TestDatabase } from '../support/database.js';

const CHUNKS = 6;
const ROWS = 2000;
const MERCHANTS = ['M1', 'M2', 'M3', 'M4', 'M5'];
/** One more than a multiple of ten, so that somebody stands exactly at 10 % and 90 %. */
const CUSTOMERS = 61;
const HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';
const NAMES: readonly PeerName[] = ['rows', 'views', 'duckdb_history', 'duckdb_state'];

/** Customers come one after the other, and change their gender at will; merchants differ in size and in prices. */
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
  let peers: Peer[] = [];
  const closing: (() => void | Promise<void>)[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-peers-'));
    database = await createTestDatabase('empty');
    // the session holds the lease until it ends
    const client = await connect(database.config);
    const driver = await ChunkDriver.start(client);
    await driver.setThresholds('PatId1', { merchant_transactions_above: 1500 });
    await driver.setThresholds('PatId2', { transactions_from: 20 });
    await driver.setThresholds('PatId3', { female_customers_above: 8 });
    await driver.loadWeights(makeWeights());
    await client.end();
    peers = await openPeers(NAMES, database.config, folder, (close) => closing.push(close));
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    await dropTestDatabase(database);
    await rm(folder, { recursive: true, force: true });
  });

  /** All chunks. @returns what BankPulse found */
  async function hold(
    contenders: readonly Contender[],
    takesPart: (chunk: number) => boolean,
  ): Promise<Detection[]> {
    const contest = await Contest.open(database.config, folder);
    try {
      for (const chunk of makeChunks()) await contest.time(chunk, contenders, () => takesPart(chunk.number));
    } finally {
      await contest.close();
    }
    return await readDetections(database.client);
  }

  it('find after each chunk what BankPulse finds', async () => {
    const contenders = peers.map((peer) => new Contender(peer));
    const detections = await hold(contenders, () => true);
    for (const pattern of ['PatId1', 'PatId2', 'PatId3']) {
      const chunks = new Set(detections.filter((each) => each.pattern === pattern).map(({ chunk }) => chunk));
      expect(chunks.size, `chunks in which ${pattern} fires`).to.be.at.least(2);
    }
    for (const { peer, ms, differences } of contenders) {
      expect([...ms.keys()], peer.name).to.deep.equal([1, 2, 3, 4, 5, 6]);
      expect(differences, peer.name).to.deep.equal([]);
    }
  });

  it('find the same when they catch up in bulk between', async () => {
    const contenders = peers.map((peer) => new Contender(peer));
    const detections = await hold(contenders, (chunk) => chunk === 2 || chunk >= 5);
    expect(detections.filter(({ chunk }) => chunk >= 5)).not.to.be.empty;
    for (const { peer, ms, differences } of contenders) {
      expect([...ms.keys()], peer.name).to.deep.equal([2, 5, 6]);
      expect(differences, peer.name).to.deep.equal([]);
    }
  });

  it('are told when they find otherwise', async () => {
    const [some] = peers;
    const wrong: Peer = {
      name: 'rows',
      about: 'one that knows better',
      async apply(chunk) {
        const [, ...found] = await some!.apply(chunk);
        return [...found, { pattern: 'PatId3', merchant: 'M0', customer: '', chunk: chunk.number }];
      },
      load: (...given) => some!.load(...given),
      close: () => Promise.resolve(),
    };
    const contender = new Contender(wrong);
    await hold([contender], (chunk) => chunk === 6);
    expect(contender.differences).to.include('rows + 0000000006 PatId3 M0 ');
    expect(contender.differences.some((line) => line.startsWith('rows - '))).to.be.true;
  });
});
