import { expect } from 'chai';
import { openViews } from '../../src/database/connection.js';
import { readStatusText } from '../../src/database/status.js';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

describe('the running totals', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;

  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  const ask = async (query: string) => (await database().client.query<Record<string, unknown>>(query)).rows;
  const status = async () =>
    (
      await ask(
        `select to_jsonb(counted) as row from (
           select
             chunks_applied, chunks_quarantined, rows_applied, rows_rejected, detections, batches_exported, batches_pending
           from bankpulse.pipeline_status
         ) as counted`,
      )
    )[0]!.row;
  const differences = async () =>
    (await ask('select compare_totals as line from bankpulse.compare_totals()')).map(({ line }) => line);

  it('begin at zero', async () => {
    expect(await status()).to.deep.equal({
      chunks_applied: 0,
      chunks_quarantined: 0,
      rows_applied: 0,
      rows_rejected: 0,
      detections: { PatId1: 0, PatId2: 0, PatId3: 0 },
      batches_exported: 0,
      batches_pending: 0,
    });
  });

  it('count chunks, quarantined objects, detections and batches, and what is rolled back they do not', async () => {
    const { functions, runId, client } = driver;
    const object = { key: 'odd/900.csv', etag: 'x', size: 0 };
    await functions.quarantineChunk(runId, object, 'empty');
    await functions.quarantineChunk(runId, { ...object, key: 'odd/901.csv' }, 'empty');
    await functions.quarantineChunk(runId, { ...object, etag: 'y' }, 'empty');
    await driver.apply(times(80, { customer: 'c', merchant: 'm' }));
    await driver.apply([...times(80, { customer: 'd', merchant: 'm' })], { batchRows: 2 });
    await driver.apply(times(80, { customer: 'c', merchant: 'n' }));
    await driver.apply(times(3, { customer: 'c', merchant: 'n' }), { key: object.key });
    await client.query('begin');
    await functions.quarantineChunk(runId, { ...object, key: 'odd/902.csv' }, 'empty');
    await client.query('rollback');
    const expected = {
      chunks_applied: 4,
      chunks_quarantined: 1,
      rows_applied: 243,
      rows_rejected: 0,
      detections: { PatId1: 0, PatId2: 3, PatId3: 0 },
      batches_exported: 0,
      batches_pending: 1,
    };
    expect(await status()).to.deep.equal(expected);
    await functions.markBatchExported('1');
    await functions.retryQuarantinedChunk('odd/901.csv');
    expect(await status()).to.deep.equal({
      ...expected,
      chunks_quarantined: 0,
      batches_exported: 1,
      batches_pending: 0,
    });
    expect(
      await ask(
        'select merchant_id, detection_count::int as count from bankpulse.dashboard_merchants order by 1',
      ),
    ).to.deep.equal([
      { merchant_id: 'm', count: 2 },
      { merchant_id: 'n', count: 1 },
    ]);
    expect(await differences()).to.deep.equal([]);
  });

  it('stay when ledger rows and batches are removed', async () => {
    const before = await status();
    await ask('delete from bankpulse.chunks where chunk_no <= 2');
    await ask('update bankpulse.detections set batch_no = null');
    await ask('delete from bankpulse.detection_batches');
    expect(await status()).to.deep.equal(before);
    expect(await differences()).to.deep.equal([]);
    await ask('select bankpulse.recount_totals()');
    expect(await status()).to.deep.equal(before);
  });

  it('are compared with the tables, and counted anew', async () => {
    const before = await status();
    await ask(
      `update bankpulse.pipeline_totals set rows_applied = 5, chunks_quarantined = 1 where scope = 'all'`,
    );
    await ask(`update bankpulse.pattern_totals set detection_count = 1`);
    await ask(`delete from bankpulse.merchant_totals where merchant_id = 'n'`);
    expect(await differences()).to.deep.equal([
      'total of chunks_quarantined: 1 is recorded, the tables have 0; recount_totals() counts anew',
      'total of detections at n: 0 is recorded, the tables have 1; recount_totals() counts anew',
      'total of detections of PatId2: 1 is recorded, the tables have 3; recount_totals() counts anew',
      'total of rows_applied: 5 is recorded, the tables have 243; recount_totals() counts anew',
    ]);
    await ask('select bankpulse.recount_totals()');
    expect(await differences()).to.deep.equal([]);
    expect(await status()).to.deep.equal(before);
  });

  it('are counted twice by a restore of single tables, which says so and how they are counted anew', async () => {
    const before = await status();
    // as pg_restore --data-only does after the totals have come, since the triggers count, too
    await ask(`create temporary table dump as select * from bankpulse.detections`);
    await ask('begin');
    await ask('delete from bankpulse.detections');
    await ask('select bankpulse.recount_totals()');
    await ask(`insert into bankpulse.pattern_totals values ('PatId2', 3)`);
    await ask(
      `insert into bankpulse.merchant_totals select merchant_id, count(*) from dump group by merchant_id`,
    );
    await ask('insert into bankpulse.detections overriding system value select * from dump');
    await ask('commit');
    expect(await differences()).to.include(
      'total of detections of PatId2: 6 is recorded, the tables have 3; recount_totals() counts anew',
    );
    await ask('select bankpulse.recount_totals()');
    expect(await status()).to.deep.equal(before);
  });
});

describe('what status and the pages ask', () => {
  const database = useDatabase('empty');

  it('names twenty quarantined objects in the status, and how many more there are', async () => {
    const views = openViews(database().config);
    const lines = (await readStatusText(views)).split('\n').filter((line) => line.startsWith('quarantined '));
    await views.destroy();
    expect(lines).to.have.length(21);
    expect(lines.at(-1)).to.equal('quarantined 2,980 more: npm run quarantine lists all');
  });

  before(async () => {
    const { client } = database();
    await ChunkDriver.start(client);
    // enough that a read of all would be seen, and rows of each kind that the pages show
    await client.query(
      `-- it asks for each row by itself, which takes most of the time, and nothing is pruned here
       alter table bankpulse.chunks disable trigger refuse_pruned;
       insert into bankpulse.chunks (
         object_key, object_number, chunk_no, etag, size_bytes, status, row_count, rejected_count, applied_at, run_id
       )
       select n || '.csv', n, n, 'x', 0, 'applied', 10, (n = 1)::int, clock_timestamp(), 1
       from generate_series(1, 20000) as numbers (n);
       insert into bankpulse.chunks (object_key, etag, size_bytes, status, quarantined_at, run_id, error)
       select 'q' || n, 'x', 0, 'quarantined', clock_timestamp(), 1, 'empty' from generate_series(1, 3000) as numbers (n);
       alter table bankpulse.chunks enable trigger refuse_pruned;
       insert into bankpulse.detection_batches (batch_no, object_key, row_count, exported_at)
       select n, n || '.csv', 1, 'infinity' from generate_series(1, 20000) as numbers (n);
       insert into bankpulse.detections (
         pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, batch_no, reason
       )
       select case n when 1 then 'PatId3' else 'PatId2' end, 'CHILD', 'm' || n % 9, 'c' || n, n, 1, now(), n, '{}'
       from generate_series(1, 20000) as numbers (n);
       insert into bankpulse.runs (ended_at) select 'infinity' from generate_series(1, 20000);
       insert into bankpulse.rejected_rows (object_key, line_number, line, reason)
       select '1.csv', n, 'x', 'y' from generate_series(1, 20000) as numbers (n);
       -- autovacuum leaves the tables of one row alone
       analyze bankpulse.chunks, bankpulse.detection_batches, bankpulse.detections, bankpulse.rejected_rows, bankpulse.runs`,
    );
  });

  const questions = {
    status: 'select * from bankpulse.pipeline_status',
    'the top of the page': 'select * from bankpulse.dashboard_progress',
    charts: 'select * from bankpulse.dashboard_chunks',
    'detections by chunk': 'select * from bankpulse.dashboard_detections_by_chunk',
    'newest detections': 'select * from bankpulse.detection_reasons order by detection_id desc limit 50',
    'detections of a rare pattern':
      "select * from bankpulse.detection_reasons where pattern_id = 'PatId3' order by detection_id desc limit 50",
    'detections at a merchant':
      "select * from bankpulse.detection_reasons where merchant_id = 'm1' order by detection_id desc limit 50",
    'detections of a customer':
      "select * from bankpulse.detection_reasons where customer_id = 'c1' order by detection_id desc limit 50",
    merchants: 'select * from bankpulse.dashboard_merchants',
    'rejected rows': 'select * from bankpulse.dashboard_rejected_rows',
    'quarantined objects':
      "select * from bankpulse.chunks where status = 'quarantined' order by quarantined_at desc, object_key limit 200",
    'the newest files': 'select * from bankpulse.detection_batches order by batch_no desc limit 200',
  };
  for (const [what, question] of Object.entries(questions)) {
    it(`reads little of the ledger, whatever its length: ${what}`, async () => {
      const { client } = database();
      // as for a solid-state disk; with the default, reading so small a table whole would be right
      await client.query('set random_page_cost = 1.1');
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (analyze, format json, timing off) ${question}`,
      );
      const read = (plan: Plan): number =>
        Math.max(
          ('Relation Name' in plan ? plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0) : 0) *
            plan['Actual Loops'],
          ...(plan.Plans ?? []).map(read),
        );
      expect(read(rows[0]!['QUERY PLAN'][0].Plan)).to.be.at.most(1000);
    });
  }
});

interface Plan {
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}
