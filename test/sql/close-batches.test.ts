import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, type Row } from '../support/chunks.js';

interface Batch {
  batch_no: number;
  object_key: string;
  row_count: number;
}

describe('close_batches', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.setThresholds('PatId2', { transactions_from: 1 });
    await driver.settle();
  });
  beforeEach(async () => {
    await driver.client.query('delete from bankpulse.detections; delete from bankpulse.detection_batches');
  });

  let merchants = 0;

  /** As many detections, which stay open: the batches of a chunk are larger than it. */
  async function detect(count: number, batchRows = 1_000_000): Promise<void> {
    const merchant = `m-${++merchants}`;
    const rows = Array.from({ length: count }, (_, place): Row => ({
      customer: `c-${String(place).padStart(4, '0')}`,
      merchant,
    }));
    expect((await driver.apply(rows, { batchRows })).detectionCount).to.equal(count);
  }

  async function close({ flush, batchRows = 50 }: { flush: boolean; batchRows?: number }): Promise<number> {
    return driver.functions.closeBatches(driver.runId, batchRows, 'out/', flush);
  }

  async function batches(): Promise<Batch[]> {
    const { rows } = await driver.client.query<Batch>(
      `select batch_no::int, object_key, row_count::int from bankpulse.detection_batches order by batch_no`,
    );
    return rows;
  }

  async function sizes(): Promise<number[]> {
    return (await batches()).map((batch) => batch.row_count);
  }

  /** The batches of all detections in their order; null while open. */
  async function batchNumbers(): Promise<(number | null)[]> {
    const { rows } = await driver.client.query<{ batch_no: number | null }>(
      'select batch_no::int from bankpulse.detections order by detection_id',
    );
    return rows.map((row) => row.batch_no);
  }

  it('cuts 129 detections into 50, 50 and 29, in their order, when it flushes', async () => {
    await detect(129);
    expect(await close({ flush: true })).to.equal(3);
    expect(await batches()).to.deep.equal([
      { batch_no: 1, object_key: 'out/detections-00000001.csv', row_count: 50 },
      { batch_no: 2, object_key: 'out/detections-00000002.csv', row_count: 50 },
      { batch_no: 3, object_key: 'out/detections-00000003.csv', row_count: 29 },
    ]);
    const inOrder = [1, 2, 3].flatMap((batch, place) =>
      Array.from({ length: [50, 50, 29][place]! }, () => batch),
    );
    expect(await batchNumbers()).to.deep.equal(inOrder);
  });

  it('closes full ones only when it does not flush; the rest waits for more', async () => {
    await detect(129);
    expect(await close({ flush: false })).to.equal(2);
    expect(await sizes()).to.deep.equal([50, 50]);
    await detect(20);
    expect(await close({ flush: false })).to.equal(0);
    await detect(1);
    expect(await close({ flush: false })).to.equal(1);
    expect(await sizes()).to.deep.equal([50, 50, 50]);
    expect(await batchNumbers()).not.to.include(null);
  });

  it('never extends a closed batch', async () => {
    await detect(10);
    await close({ flush: true });
    const closed = await batchNumbers();
    await detect(60);
    await close({ flush: true });
    expect(await sizes()).to.deep.equal([10, 50, 10]);
    expect((await batchNumbers()).slice(0, 10)).to.deep.equal(closed);
  });

  it('closes nothing when no detection is open', async () => {
    expect(await close({ flush: true })).to.equal(0);
    await detect(50);
    expect(await close({ flush: true })).to.equal(1);
    expect(await close({ flush: true })).to.equal(0);
    expect(await sizes()).to.deep.equal([50]);
  });

  it('numbers batches on without holes, also when one was rolled back', async () => {
    await detect(3);
    await close({ flush: true, batchRows: 1 });
    await detect(2);
    await driver.client.query('begin');
    expect(await close({ flush: true, batchRows: 1 })).to.equal(2);
    await driver.client.query('rollback');
    await close({ flush: true, batchRows: 1 });
    expect((await batches()).map((batch) => batch.batch_no)).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('is called by process_chunk, for full batches', async () => {
    await detect(120, 50);
    expect(await sizes()).to.deep.equal([50, 50]);
    await detect(40, 50);
    expect(await sizes()).to.deep.equal([50, 50, 50]);
    expect((await batches())[2]!.object_key).to.equal('detections/detections-00000003.csv');
  });

  it('writes numbers of more than 8 digits out', async () => {
    await driver.client.query(
      `insert into bankpulse.detection_batches (batch_no, object_key, row_count) values (99999998, 'x', 1)`,
    );
    await detect(2);
    await close({ flush: true, batchRows: 1 });
    expect((await batches()).map((batch) => batch.object_key)).to.deep.equal([
      'x',
      'out/detections-99999999.csv',
      'out/detections-100000000.csv',
    ]);
  });
});

describe('mark_batch_exported', () => {
  const database = useDatabase('seeded');

  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.functions.closeBatches(driver.runId, 50, 'out/', true);
  });

  it('notes the time once', async () => {
    const { client } = database();
    const exportedAt = async () =>
      (
        await client.query<{ text: string | null }>(
          'select exported_at::text as text from bankpulse.detection_batches where batch_no = 1',
        )
      ).rows[0]!.text;
    expect(await exportedAt()).to.be.null;
    await driver.functions.markBatchExported('1');
    const first = await exportedAt();
    expect(first).to.be.a('string');
    await driver.functions.markBatchExported('1');
    expect(await exportedAt()).to.equal(first);
  });

  it('is not before the batch was closed, though the clock was set back since', async () => {
    const { client } = database();
    await client.query(`
      update bankpulse.detection_batches set closed_at = clock_timestamp() + interval '1 hour', exported_at = null;
      select bankpulse.mark_batch_exported(1)`);
    const { rows } = await client.query(
      'select exported_at = closed_at as is_same from bankpulse.detection_batches',
    );
    expect(rows).to.deep.equal([{ is_same: true }]);
  });
});
