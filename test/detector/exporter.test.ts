import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import { sql } from '../../src/database/kysely.js';
import { openViews } from '../../src/database/connection.js';
import { messageOf } from '../../src/errors.js';
import { exportBatches } from '../../src/detector/exporter.js';
import { PatientStore } from '../../src/s3/patient-store.js';
import { createLog } from '../../src/log.js';
import { ChunkDriver, times } from '../support/chunks.js';
import { useDatabase } from '../support/database.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const NAMES = [
  '=1+1',
  '+1',
  '-1',
  '@x',
  '\tx',
  '\rx',
  "'=1",
  'a,b',
  'a"b',
  'a\nb',
  'a\rb',
  'Zoë 日本',
  ' x ',
  'a=b',
];

describe('exportBatches', () => {
  const database = useDatabase('empty');
  let s3: TestObjectStore;
  let driver: ChunkDriver;

  before(async () => {
    s3 = await testObjectStore();
    driver = await ChunkDriver.start(database().client);
    await driver.apply(
      NAMES.flatMap((customer) => times(80, { customer, merchant: 'shop', amount: 1 })),
      { batchRows: NAMES.length },
    );
  });

  async function exportAll(signal = new AbortController().signal): Promise<void> {
    const views = openViews(database().config);
    try {
      const log = createLog('silent');
      await exportBatches(views, driver.functions, new PatientStore(s3.store, log, signal), log);
    } finally {
      await views.destroy();
    }
  }

  const file = async (number: number) => {
    const { rows } = await database().client.query<{ object_key: string }>(
      'select object_key from bankpulse.detection_batches where batch_no = $1',
      [number],
    );
    return (await s3.store.getWhole(rows[0]!.object_key))?.content;
  };

  it('writes a file that any CSV reader reads, with names that no spreadsheet runs', async () => {
    await exportAll();
    const content = (await file(1))!;
    expect(content[0]).to.equal('Y'.charCodeAt(0)); // no byte order mark
    const rows = parse(content);
    const dangerous = /^[=+\-@\t\r]/;
    expect(rows.map(([, , , , customer]) => customer)).to.deep.equal([
      'customerName',
      ...[...NAMES].sort().map((name) => (dangerous.test(name) ? `'${name}` : name)),
    ]);
    expect(rows.every((row) => row.length === 6)).to.equal(true);
    const lines = content.toString().split('\n');
    expect(lines[0]).to.equal('YStartTime,detectionTime,patternId,ActionType,customerName,MerchantId');
    // quoted only where it must be
    expect(lines.filter((line) => line.includes('"')).length).to.equal(
      NAMES.filter((name) => /[,"\r\n]/.test(name)).length + 1, // one name has two lines
    );
  });

  it('takes its times from the database: the start of the run and the moment of the chunk', async () => {
    const { rows } = await database().client.query<{ started_at: Date; detected_at: Date }>(
      'select started_at, detected_at from bankpulse.detections join bankpulse.runs using (run_id) limit 1',
    );
    const [, [start = '', detection = ''] = []] = parse((await file(1))!);
    for (const time of [start, detection])
      expect(time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30$/);
    // the database has microseconds; a Date does not
    expect(new Date(start).getTime()).to.equal(rows[0]!.started_at.getTime());
    expect(new Date(detection).getTime()).to.equal(rows[0]!.detected_at.getTime());
  });

  it('writes what is not written yet, and nothing else', async () => {
    const { rows } = await database().client.query<{ object_key: string }>(
      'select object_key from bankpulse.detection_batches',
    );
    await s3.store.put(rows[0]!.object_key, 'touched', 'text/csv');
    await driver.apply(times(80, { customer: 'late', merchant: 'shop', amount: 1 }), { batchRows: 1 });
    await exportAll();
    expect((await file(1))!.toString()).to.equal('touched');
    expect(parse((await file(2))!)[1]?.[4]).to.equal('late');
  });

  it('leaves a batch for later if it is told to end before the file is written', async () => {
    await driver.apply(times(80, { customer: 'later', merchant: 'shop', amount: 1 }), { batchRows: 1 });
    await exportAll(AbortSignal.abort()).catch(() => undefined);
    expect(await file(3)).to.equal(undefined);
    await exportAll();
    expect(parse((await file(3))!)[1]?.[4]).to.equal('later');
  });

  it('writes no file for a batch whose rows it does not all see', async () => {
    const { client } = database();
    await driver.apply(times(80, { customer: 'lost', merchant: 'shop', amount: 1 }), { batchRows: 1 });
    const setCount = (count: number) =>
      client.query('update bankpulse.detection_batches set row_count = $1 where batch_no = 4', [count]);
    await setCount(2);
    expect(await exportAll().catch(messageOf)).to.equal('batch 4 has 2 detections, but 1 rows for its file');
    expect(await file(4)).to.equal(undefined);
    await setCount(1);
    await exportAll(); // it was not marked as written
    expect(parse((await file(4))!)[1]?.[4]).to.equal('lost');
  });
});

describe('openViews', () => {
  const database = useDatabase('empty');

  it('survives that its session is cut off between two queries', async () => {
    const views = openViews(database().config);
    try {
      const error: unknown = await views
        .connection()
        .execute(async (connection) => {
          const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(connection);
          await database().client.query('select pg_terminate_backend($1, 10000)', [rows[0]!.pid]);
          await sleep(100); // the news arrives while no query waits for an answer
          return sql`select 1`.execute(connection);
        })
        .then(
          () => expect.fail('the session lives'),
          (thrown: unknown) => thrown,
        );
      expect(error).to.be.an('error');
      expect((await sql`select 1 as one`.execute(views)).rows).to.deep.equal([{ one: 1 }]);
    } finally {
      await views.destroy();
    }
  });
});
