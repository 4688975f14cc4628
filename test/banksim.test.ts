import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import type pg from 'pg';
import type { DetectorSettings, ProducerSettings } from '../src/config.js';
import { detect } from '../src/detector/detector.js';
import { createLog } from '../src/log.js';
import { produce } from '../src/producer/producer.js';
import { copyTestDatabase, dropTestDatabase, useDatabase, type TestDatabase } from './support/database.js';
import { isLargeDose } from './support/dose.js';
import { testObjectStore, type TestObjectStore } from './support/s3.js';

const folder = process.env.BANKSIM_DIR;
/** The chunks that are applied a second time; the large dose has all 60. Twelve have fourteen detections of two patterns. */
const SMALL_DOSE = 12;

describe('the real BankSim files', function () {
  this.timeout(300_000);

  if (!folder) {
    it('give exactly the expected detections (BANKSIM_DIR is not set: it names the folder with the files)', function () {
      this.skip();
    });
    return;
  }

  const database = useDatabase('empty');
  /** With the weights, and no chunk. */
  let byName: TestDatabase;
  let s3: TestObjectStore;
  const settings: ProducerSettings & DetectorSettings = {
    TRANSACTIONS_CSV: join(folder, 'transactions.csv.gz'),
    IMPORTANCE_CSV: join(folder, 'CustomerImportance.csv.gz'),
    CHUNK_ROWS: 10_000,
    CHUNK_INTERVAL_MS: 0,
    BATCH_ROWS: 50,
    FLUSH_AFTER_MS: 60_000,
    POLL_INTERVAL_MS: 50,
    FULL_LIST_MS: 30_000,
    CHUNK_ORDER: 'number',
    GAP_TIMEOUT_MS: 60_000,
    MAX_CHUNK_BYTES: 1_000_000_000,
    PREFETCH_BYTES: 32_000_000,
    CHUNKS_PREFIX: 'chunks/',
    DETECTIONS_PREFIX: 'detections/',
  };
  const log = createLog('silent');
  const ask = async <Row>(query: string) => (await database().client.query(query)).rows as Row[];

  const detectUntil = (
    isInputOver: () => boolean,
    { config } = database(),
    changes: Partial<DetectorSettings> = {},
  ) =>
    detect({
      config,
      store: s3.store,
      settings: { ...settings, ...changes },
      log,
      signal: new AbortController().signal,
      isInputOver,
    });

  before(async () => {
    s3 = await testObjectStore();
    // loads the weights, which costs as much as twenty chunks
    await detectUntil(() => true);
    byName = await copyTestDatabase(database());
    let hasProduced = false;
    await Promise.all([
      produce({ store: s3.store, settings, log }).finally(() => (hasProduced = true)),
      detectUntil(() => hasProduced),
    ]);
  });
  after(() => dropTestDatabase(byName));

  /** The lines of the expected file; those found in a database. */
  const expectedLines = async () =>
    parse(await readFile(join(folder, 'expected-detections.csv'), 'utf8'))
      .map((fields) => fields.join(','))
      .sort();
  async function foundLines(client: pg.Client): Promise<string[]> {
    const { rows } = await client.query<{ line: string }>(
      `select concat_ws(',', pattern_id, customer_id, merchant_id, chunk_no) as line from bankpulse.detections`,
    );
    return ['patternId,customerName,MerchantId,chunk', ...rows.map(({ line }) => line)].sort();
  }

  it('give exactly the expected detections, each with its chunk', async () => {
    expect(await foundLines(database().client)).to.deep.equal(await expectedLines());
  });

  it("give the same in files with Spark's names, put in any order, with CHUNK_ORDER=name", async () => {
    const uuid = randomUUID();
    const keys: string[] = [];
    for await (const { key } of s3.store.list('chunks/')) keys.push(key);
    // by name: the keys are of one length
    const some = keys.sort().slice(0, isLargeDose ? undefined : SMALL_DOSE);
    const copies = some.map((key, place) => ({
      key,
      name: `spark/part-${String(place).padStart(5, '0')}-${uuid}-c000.csv`,
    }));
    for (const { key, name } of copies.sort(() => Math.random() - 0.5))
      await s3.store.put(name, (await s3.store.getWhole(key))!.content, 'text/csv');
    const changes = { CHUNK_ORDER: 'name', CHUNKS_PREFIX: 'spark/', DETECTIONS_PREFIX: 'found/' } as const;
    await detectUntil(() => true, byName, changes);
    const isApplied = (line: string) => !(Number(line.split(',').at(-1)) > some.length);
    expect(await foundLines(byName.client)).to.deep.equal((await expectedLines()).filter(isApplied));
  });

  it('make 60 chunks, in which every one of the 594,643 rows counts', async () => {
    expect(
      await ask(
        `select count(*)::int as chunks, sum(row_count)::int as rows, sum(rejected_count)::int as rejected
         from bankpulse.chunks where status = 'applied'`,
      ),
    ).to.deep.equal([{ chunks: 60, rows: 594_643, rejected: 0 }]);
    expect(
      await ask('select sum(transaction_count)::int as rows from bankpulse.customer_merchant_stats'),
    ).to.deep.equal([{ rows: 594_643 }]);
  });

  it('make three files, of 50, 50 and 29 detections in their order', async () => {
    const written: string[] = [];
    const sizes: number[] = [];
    for await (const { key } of s3.store.list('detections/')) {
      const [, ...rows] = parse((await s3.store.getWhole(key))!.content);
      sizes.push(rows.length);
      written.push(
        ...rows.map(([, , pattern, , customer, merchant]) => `${pattern} ${merchant} ${customer}`),
      );
    }
    expect(sizes).to.deep.equal([50, 50, 29]);
    const found = await ask<{ row: string }>(
      `select pattern_id || ' ' || merchant_id || ' ' || customer_id as row
       from bankpulse.detections
       order by chunk_no, pattern_id, merchant_id, customer_id`,
    );
    expect(written).to.deep.equal(found.map(({ row }) => row));
  });

  it('leave 34 pairs that satisfy PatId2 and one merchant that satisfies PatId3', async () => {
    expect(
      await ask(
        `select pattern_id, count(*)::int from bankpulse.pattern_matches
         where pattern_id <> 'PatId1' group by pattern_id order by pattern_id`,
      ),
    ).to.deep.equal([
      { pattern_id: 'PatId2', count: 34 },
      { pattern_id: 'PatId3', count: 1 },
    ]);
    expect(
      await ask(`select merchant_id from bankpulse.pattern_matches where pattern_id = 'PatId3'`),
    ).to.deep.equal([{ merchant_id: 'M677738360' }]);
  });
});
