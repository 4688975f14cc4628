import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import { audit } from '../../src/audit/audit.js';
import { bringCheckpointUpTo } from '../../src/audit/checkpoint.js';
import { planPrune, prune } from '../../src/audit/prune.js';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { connect } from '../../src/database/connection.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { messageOf } from '../../src/errors.js';
import { withAudit } from '../support/audit.js';
import { dropTestDatabase, type TestDatabase } from '../support/database.js';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { children, csv, rowsOf, until, useDetector } from '../support/detector.js';
import { administer, cloneOf, onDatabase, sharedDatabase } from '../support/servers.js';

const BATCH_ROWS = 5;
/** One with fewer than a file holds, one with a name that a spreadsheet would run, one that fills several. */
const CHUNKS = [children(1, 3), children('=2', 7), children(3, 1), children(4, 12), children(5, 4)];

describe('a database that was restored to an earlier point', () => {
  const current = useDetector();
  const copies: TestDatabase[] = [];
  afterEach(() => Promise.all(copies.splice(0).map(dropTestDatabase)));

  /** As a dump that is restored elsewhere. */
  async function copy(): Promise<TestDatabase> {
    const { url } = await sharedDatabase.address();
    const name = `${current.database.name}_${randomBytes(2).toString('hex')}`;
    await current.database.client.end();
    await administer(url, cloneOf(name, current.database.name));
    current.database.client = await connect(current.database.config);
    const copyUrl = onDatabase(url, name);
    const { config } = readDatabaseUrl(copyUrl);
    const made = { name, url: copyUrl, config, client: await connect(config) };
    copies.push(made);
    return made;
  }

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

  /** Applies all chunks, each with a flush or all at once. @returns a copy of the database after so many. */
  async function applyAll(restoredTo: number, isFlushed: boolean): Promise<TestDatabase> {
    let restored: TestDatabase | undefined;
    for (const [index, chunk] of CHUNKS.entries()) {
      await current.put(index + 1, chunk);
      if (isFlushed || index + 1 === restoredTo || index + 1 === CHUNKS.length)
        await detectIn(current.database);
      if (index + 1 === restoredTo) restored = await copy();
    }
    return restored!;
  }

  for (const [restoredTo, isFlushed] of [
    [1, true],
    [3, true],
    [2, false],
    [5, false],
  ] as const) {
    it(`to chunk ${restoredTo}, with files ${isFlushed ? 'flushed after each chunk' : 'mostly full'}, leaves them as they are`, async () => {
      const restored = await applyAll(restoredTo, isFlushed);
      const before = await current.files();
      const log = await detectIn(restored);
      expect(await current.files()).to.deep.equal(before);
      expect(log.filter(({ msg }) => msg.includes('restored to an earlier point'))).to.have.length(
        restoredTo < CHUNKS.length ? 1 : 0,
      );

      await current.put(6, children(6, 6));
      await detectIn(restored);
      const after = await current.files();
      expect(Object.keys(after)).to.have.length(Object.keys(before).length + 2);
      expect(after).to.deep.include(before);
      await expectWhole(restored);
    });
  }

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

  it('places detections that it had found, and not written yet', async () => {
    const restored = await applyAll(2, true);
    // as before its last file was closed
    await restored.client.query(`
      update bankpulse.detections set batch_no = null where batch_no = (select max(batch_no) from bankpulse.detections);
      delete from bankpulse.detection_batches where batch_no = (select max(batch_no) from bankpulse.detection_batches)`);
    const before = await current.files();
    await detectIn(restored);
    expect(await current.files()).to.deep.equal(before);
    await expectWhole(restored);
  });

  it('goes on where a Y was killed while it took them over', async () => {
    const restored = await applyAll(1, true);
    const before = await current.files();
    const functions = new SqlFunctions(restored.client);
    const runId = await functions.registerRun();
    expect(await functions.tryTakeOver(runId)).to.equal(true);
    const rows: Record<string, string>[] = parse(before[2]!, { columns: true });
    await functions.takeOverFile(runId, 2, `${current.prefix}detections/detections-00000002.csv`, rows);
    await restored.client.query('select pg_advisory_unlock_all()');
    await detectIn(restored);
    expect(await current.files()).to.deep.equal(before);
    await expectWhole(restored);
  });

  it('is told by verify while its files hold more than is detected again', async () => {
    const restored = await applyAll(1, true);
    const key = current.chunkKey(2);
    const content = (await current.s3.store.getWhole(key))!.content;
    // as if the chunk were not there yet
    await current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: key }));
    const detector = current.startDetector(
      { BATCH_ROWS, GAP_TIMEOUT_MS: 60_000 },
      { config: restored.config },
    );
    const isTold = () => detector.log.some(({ msg }) => msg.includes('restored to an earlier point'));
    await until('the files are taken over', () => Promise.resolve(isTold()));
    await detector.stop();
    const { differences } = await withAudit({ ...current, database: restored }, (options) => audit(options));
    expect(differences).to.have.length.above(0);
    for (const difference of differences)
      expect(difference).to.match(
        /^batch \d+: \d+ rows of its file, taken over after a restore, are not detected again yet$/,
      );
    await current.put(2, content);
    await detectIn(restored);
    await expectWhole(restored);
  });

  it('refuses what is no detection file, which it would have to write over', async () => {
    const restored = await applyAll(1, true);
    const keyOf = (number: number) =>
      `${current.prefix}detections/detections-${String(number).padStart(8, '0')}.csv`;
    await current.s3.store.put(keyOf(20261128), (await current.files())[1]!, 'text/csv');
    expect(await detectIn(restored).then(() => undefined, messageOf)).to.match(
      /the one before it has the number \d+\): move/,
    );
    for (const content of ['', 'a,b\n1,2\n', 'YStartTime,"', 'patternId\nPatId2\n']) {
      await current.s3.store.put(keyOf(9), content, 'text/csv');
      const message = await detectIn(restored).then(() => undefined, messageOf);
      expect(message, content).to.match(/detections-00000009\.csv .* move it away/);
    }
  });
});
