import { expect } from 'chai';
import { Lane } from '../../src/detector/lane.js';
import { bufferedObject } from '../../src/loader/object-content.js';
import { ContentError } from '../../src/errors.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { bytesOf, fileOf } from '../support/bytes.js';
import { corpus, small, type Specimen } from '../support/corpus.js';
import { exactAmount, judge, recordsOf } from '../support/csv-oracle.js';
import { forCarefulWay, useStaging } from '../support/staging.js';

interface LedgerRow {
  status: string;
  row_count: number;
  rejected_count: number;
  error: string | null;
}

/** The oracle counts the rows of files up to this long. */
const COUNTED_BYTES = 200_000;
/** Over what there is before; a record of 16 MiB is held once as bytes, and once while they are put together. */
const MAX_MEMORY = 160 * 1024 * 1024;

describe('the corpus of bad bytes', () => {
  const { database, stage } = useStaging();
  let lane: Lane;
  let lastNumber = 0;

  before(async () => {
    const functions = new SqlFunctions(database().client);
    const runId = await functions.registerRun();
    await functions.tryTakeOver(runId);
    lane = await Lane.open(database().config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
  });
  after(() => lane.close());

  /** From bytes to the ledger, as mechanism Y does it. */
  async function process({
    file,
    isPacked = false,
    maxBytes = 1 << 30,
  }: Pick<Specimen, 'file' | 'isPacked' | 'maxBytes'>) {
    const content = bytesOf(file);
    const key = `chunk_${++lastNumber}.csv${isPacked ? '.gz' : ''}`;
    const fetched = bufferedObject('etag', content, maxBytes);
    const object = {
      key,
      size: content.length,
      etag: 'etag',
      number: BigInt(lastNumber),
      lastModified: new Date(),
    };
    try {
      await lane.apply(await lane.stage(object, fetched));
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      await lane.quarantine({ key, etag: 'etag', size: content.length }, error.message);
    }
    const { client } = database();
    const { rows: ledger } = await client.query<LedgerRow>(
      'select status, row_count::int, rejected_count::int, error from bankpulse.chunks where object_key = $1',
      [key],
    );
    const { rows: rejected } = await client.query<[number, string]>({
      text: 'select line_number::int, reason from bankpulse.rejected_rows where object_key = $1 order by line_number',
      values: [key],
      rowMode: 'array',
    });
    return { ...ledger[0]!, rejected };
  }

  afterEach('the session goes on working', async () => {
    expect(await process({ file: fileOf('C1,F,M1,1') })).to.include({ status: 'applied', row_count: 1 });
  });

  for (const [kind, specimens] of Object.entries(corpus)) {
    describe(kind, () => {
      for (const specimen of specimens) {
        const { name, file, isPacked, expected } = specimen;

        if ('quarantined' in expected) {
          it(`${name}: quarantined`, async () => {
            const before = globalThis.process.memoryUsage.rss();
            const found = await process(specimen);
            expect(found).to.deep.include({
              status: 'quarantined',
              error: expected.quarantined,
              rejected: [],
            });
            expect(globalThis.process.memoryUsage.rss() - before).to.be.lessThan(MAX_MEMORY);
          });
          continue;
        }

        it(`${name}: applied`, async () => {
          const { rows, rejected = [] } = expected;
          const rowCount = typeof rows === 'number' ? rows : rows.length;
          expect(await process(specimen)).to.deep.equal({
            status: 'applied',
            row_count: rowCount,
            rejected_count: rejected.length,
            error: null,
            rejected,
          });
          if (isPacked || file.startsWith('\x1f\x8b')) return;
          if (file.length < COUNTED_BYTES)
            expect(rowCount + rejected.length).to.equal(recordsOf(file).length - 1);
          const staged = await stage(file);
          if (typeof rows !== 'number') expect(staged.rows).to.deep.equal(rows);
          if (staged.way === 'plain')
            expect(await stage(forCarefulWay(file))).to.deep.equal({ ...staged, way: 'careful' });
        });
      }
    });
  }

  it('a file cut off at any byte: as the oracle reads what is left', async () => {
    for (let length = 0; length <= small.length; length++) {
      const file = small.slice(0, length);
      const verdict = judge(file);
      const found = await stage(file).then(
        ({ rows, rejected }) => ({
          rows: rows.map(([customer, gender, merchant, amount]) => [
            customer,
            gender,
            merchant,
            exactAmount(amount!),
          ]),
          rejected: rejected.map(({ line_number, reason }) => [line_number, reason]),
        }),
        (error: unknown) =>
          error instanceof ContentError ? { refused: error.message } : expect.fail(String(error)),
      );
      expect(found, `cut at ${length}`).to.deep.equal(verdict);
    }
  });
});
