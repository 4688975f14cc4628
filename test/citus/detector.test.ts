import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import { connect } from '../../src/database/connection.js';
import { distribute } from '../../src/database/distribution.js';
import { migrate } from '../../src/database/schema.js';
import { detect, type DetectorOptions } from '../../src/detector/detector.js';
import { UserError, messageOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { produce } from '../../src/producer/producer.js';
import {
  DETECTOR_SETTINGS,
  describeOnCitus,
  useCitusDatabase,
  type CitusDatabase,
} from '../support/citus.js';
import { csv } from '../support/detector.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const folder = process.env.BANKSIM_DIR;
const log = createLog('silent');
const settings = {
  IMPORTANCE_CSV: join(folder ?? '', 'CustomerImportance.csv.gz'),
  ...DETECTOR_SETTINGS,
  CHUNKS_PREFIX: 'chunks/',
  DETECTIONS_PREFIX: 'detections/',
};

describeOnCitus('on Citus, mechanism Y', (coordinatorUrl) => {
  const broken = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4 });
  let s3: TestObjectStore;
  let temporary: string;
  before(async () => {
    s3 = await testObjectStore();
    temporary = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(() => rm(temporary, { recursive: true, force: true }));

  const detectOnce = ({ config }: CitusDatabase, options: Partial<DetectorOptions>) =>
    detect({
      config,
      store: s3.store,
      settings,
      log,
      signal: new AbortController().signal,
      isInputOver: () => true,
      ...options,
    });

  it('ends and names the function if that of a pattern fails', async () => {
    const { client } = broken();
    await client.query(
      `create function bankpulse.detect_broken(p_thresholds jsonb)
       returns table (merchant_id text, customer_id text, reason jsonb)
       language plpgsql volatile
       as $$
       begin
         return query select touched.merchant_id, '', jsonb_build_object('share', 1 / (touched.transaction_count - 2))
         from touched_merchants as touched;
       end;
       $$`,
    );
    await client.query(
      `update bankpulse.patterns set detect_function = 'detect_broken' where pattern_id = 'PatId3'`,
    );
    const importance = join(temporary, 'importance.csv');
    await writeFile(importance, 'Source,Target,Weight\nC1,shop,1\n');
    await s3.store.put('broken/chunk_1.csv', csv('C1,F,shop,1'), 'text/csv');
    await s3.store.put('broken/chunk_2.csv', csv('C1,F,shop,1'), 'text/csv');
    const error: unknown = await detectOnce(broken(), {
      settings: {
        ...settings,
        IMPORTANCE_CSV: importance,
        CHUNKS_PREFIX: 'broken/',
        DETECTIONS_PREFIX: 'none/',
      },
    }).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(UserError);
    expect(messageOf(error)).to.match(
      /^a pattern cannot be judged: function bankpulse\.detect_broken: division by zero; correct its row/,
    );
  });

  if (!folder) {
    it('finds in the real BankSim files what is expected (BANKSIM_DIR is not set)', function () {
      this.skip();
    });
    return;
  }

  const database = useCitusDatabase(coordinatorUrl, { workers: 2 });

  it('finds in the real BankSim files what is expected, though they are distributed after chunk 30', async () => {
    const owner = await connect(database().config);
    await migrate(owner, log);
    await produce({
      store: s3.store,
      settings: {
        ...settings,
        TRANSACTIONS_CSV: join(folder, 'transactions.csv.gz'),
        CHUNK_ROWS: 10_000,
        CHUNK_INTERVAL_MS: 0,
      },
      log,
    });
    const half = new AbortController();
    await detectOnce(database(), {
      signal: half.signal,
      onApplied: ({ chunkNo }) => {
        if (chunkNo === 30) half.abort();
      },
    });
    expect((await distribute(owner, 6)).distributed).to.include('customer_merchant_stats');
    await migrate(owner, log);
    await owner.end();
    await detectOnce(database(), {});
    const { rows } = await database().client.query<{ line: string }>(
      `select concat_ws(',', pattern_id, customer_id, merchant_id, chunk_no) as line from bankpulse.detections`,
    );
    const expected = parse(await readFile(join(folder, 'expected-detections.csv'), 'utf8')).map((fields) =>
      fields.join(','),
    );
    expect(['patternId,customerName,MerchantId,chunk', ...rows.map(({ line }) => line)].sort()).to.deep.equal(
      expected.sort(),
    );
  });
});
