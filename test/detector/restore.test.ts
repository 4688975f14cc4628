import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import { audit } from '../../src/audit/audit.js';
import { bringCheckpointUpTo } from '../../src/audit/checkpoint.js';
import { planPrune, prune } from '../../src/audit/prune.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { messageOf } from '../../src/errors.js';
import { withAudit } from '../support/audit.js';
import { copyTestDatabase, dropTestDatabase, type TestDatabase } from '../support/database.js';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { children, csv, rowsOf, until, useDetector } from '../support/detector.js';

const BATCH_ROWS = 5;
/** One with fewer than a file holds, one with a name that a spreadsheet would run, one that fills several. */
const CHUNKS = [children(1, 3), children('=2', 7), children(3, 1), children(4, 12), children(5, 4)];

describe('a database that was restored to an earlier point', () => {
  const current = useDetector();
  const copies: TestDatabase[] = [];
  afterEach(async () => {
    for (const database of copies.splice(0)) await dropTestDatabase(database);
  });

  /** As a dump that is restored elsewhere. */
  async function copy(source = current.database): Promise<TestDatabase> {
    const made = await copyTestDatabase(source);
    copies.push(made);
    return made;
  }

  const keyOf = (number: number) =>
    `${current.prefix}detections/detections-${String(number).padStart(8, '0')}.csv`;
  const detectIn = ({ config }: TestDatabase, settings = {}) =>
    current.detectOnce({ BATCH_ROWS, ...settings }, { config });

  /** Every detection in exactly one file, and everything else as the replay of the ledger has it. */
  async function expectWhole(database: TestDatabase): Promise<void> {
    const written = Object.values(await current.files()).flatMap(rowsOf);
    expect(new Set(written).size).to.equal(written.length);
    const { rows } = await database.client.query<{ count: number; open: number }>(
      'select count(*)::int as count, count(*) filter (where batch_no is null)::int as open from bankpulse.detections',
    );
    expect(rows).to.deep.equal([{ count: written.length, open: 0 }]);
    const { differences } = await withAudit({ ...current, database }, (options) => audit(options));
    expect(differences).to.deep.equal([]);
  }

  /** Applies all chunks. @returns a copy of the database after each of those at which mechanism Y ended for a while. */
  async function applyAll(...ends: number[]): Promise<TestDatabase[]> {
    const restored: TestDatabase[] = [];
    for (const [index, chunk] of CHUNKS.entries()) {
      await current.put(index + 1, chunk);
      if (ends.includes(index + 1) || index + 1 === CHUNKS.length) await detectIn(current.database);
      if (ends.includes(index + 1)) restored.push(await copy());
    }
    return restored;
  }

  /** The files stay as they are, `toldTimes` it is told that some were taken over, and two more follow from another chunk. */
  async function expectGoesOn(restored: TestDatabase, nextChunk: number, toldTimes: number): Promise<void> {
    const before = await current.files();
    const log = await detectIn(restored);
    expect(await current.files()).to.deep.equal(before);
    expect(log.filter(({ msg }) => msg.includes('restored to an earlier point'))).to.have.length(toldTimes);

    await current.put(nextChunk, children(nextChunk, 6));
    await detectIn(restored);
    const after = await current.files();
    expect(Object.keys(after)).to.have.length(Object.keys(before).length + 2);
    expect(after).to.deep.include(before);
    await expectWhole(restored);
  }

  it('to chunk 5 and to chunk 2, with files mostly full, leaves them as they are', async () => {
    const [second, last] = await applyAll(2, 5);
    await expectGoesOn(last!, 6, 0);
    await expectGoesOn(second!, 7, 1);
  });

  it('to chunk 3 and to chunk 1, with files flushed after each chunk, leaves them as they are', async () => {
    const [first, second, third] = await applyAll(1, 2, 3, 4);
    // detections that it had found, and not written yet: as before its last file was closed
    await second!.client.query(`
      update bankpulse.detections set batch_no = null where batch_no = (select max(batch_no) from bankpulse.detections);
      delete from bankpulse.detection_batches where batch_no = (select max(batch_no) from bankpulse.detection_batches)`);
    const before = await current.files();
    await detectIn(second!);
    expect(await current.files()).to.deep.equal(before);
    await expectWhole(second!);

    await expectGoesOn(third!, 6, 1);
    await expectGoesOn(first!, 7, 1);
  });

  it('to a chunk behind a checkpoint, of a ledger that was pruned, leaves them as they are', async () => {
    let restored: TestDatabase | undefined;
    for (const [index, chunk] of CHUNKS.entries()) {
      await current.put(2 * index + 1, csv(`Q${index},M,market,1`));
      await current.put(2 * index + 2, chunk);
      await detectIn(current.database);
      if (index === 3) restored = await copy();
      if (index === 1 || index === 4)
        await withAudit(current, async (options) => {
          const plan = await planPrune(options.session, 0);
          await bringCheckpointUpTo(options, plan.newest_chunk_no, { unverified: true });
          await prune(options.session, plan, options.signal, { chunks: 0, rejectedRows: 0, runs: 0 });
        });
    }
    const before = await current.files();
    await detectIn(restored!);
    expect(await current.files()).to.deep.equal(before);
    await expectWhole(restored!);
    expect(await current.state(restored)).to.deep.equal(await current.state());
  });

  it('goes on where a Y was killed, is told by verify meanwhile, and refuses what is no detection file', async () => {
    const [restored] = await applyAll(1);
    const [killed, refusing] = [await copy(restored), await copy(restored)];

    const before = await current.files();
    const functions = new SqlFunctions(killed.client);
    const runId = await functions.registerRun();
    expect(await functions.tryTakeOver(runId)).to.equal(true);
    const rows: Record<string, string>[] = parse(before[2]!, { columns: true });
    await functions.takeOverFile(runId, 2, keyOf(2), rows);
    await killed.client.query('select pg_advisory_unlock_all()');
    await detectIn(killed);
    expect(await current.files()).to.deep.equal(before);
    await expectWhole(killed);

    // the files hold more than is detected again: as if the chunk were not there yet
    const key = current.chunkKey(2);
    const content = (await current.s3.store.getWhole(key))!.content;
    await current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: key }));
    const detector = current.startDetector(
      { BATCH_ROWS, GAP_TIMEOUT_MS: 60_000 },
      { config: restored!.config },
    );
    const isTold = () => detector.log.some(({ msg }) => msg.includes('restored to an earlier point'));
    await until('the files are taken over', () => Promise.resolve(isTold()));
    await detector.stop();
    const { differences } = await withAudit({ ...current, database: restored! }, (options) => audit(options));
    expect(differences).to.have.length.above(0);
    for (const difference of differences)
      expect(difference).to.match(
        /^batch \d+: \d+ rows of its file, taken over after a restore, are not detected again yet$/,
      );
    await current.put(2, content);
    await detectIn(restored!);
    await expectWhole(restored!);

    // it would have to write over them
    await current.s3.store.put(keyOf(20261128), before[1]!, 'text/csv');
    expect(await detectIn(refusing).then(() => undefined, messageOf)).to.match(
      /the one before it has the number \d+\): move/,
    );
    for (const content of ['', 'a,b\n1,2\n', 'YStartTime,"', 'patternId\nPatId2\n']) {
      await current.s3.store.put(keyOf(9), content, 'text/csv');
      const message = await detectIn(refusing).then(() => undefined, messageOf);
      expect(message, content).to.match(/detections-00000009\.csv .* move it away/);
    }
  });
});
