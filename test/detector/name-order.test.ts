import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { audit } from '../../src/audit/audit.js';
import { backtest } from '../../src/audit/backtest.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import { withAudit } from '../support/audit.js';
import { children, csv, useDetector } from '../support/detector.js';
import { isLargeDose, PAGE } from '../support/dose.js';
import { run } from '../support/process.js';

/** As PostgreSQL's collation "C" and the listing of a store order keys. */
const bytewise = (keys: readonly string[]) =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

describe('detect with CHUNK_ORDER=name', () => {
  const current = useDetector();
  const { put, chunkKey, detectOnce, startDetector, ledger, untilApplied, detections, renewDatabase } =
    current;
  const byName = { CHUNK_ORDER: 'name' as const, GAP_TIMEOUT_MS: 60_000 };
  /** By pages of a listing that a few objects fill. */
  let store: ObjectStore;
  before(() => {
    const { store: whole, endpoint, credentials } = current.s3;
    store = ObjectStore.open({ bucket: whole.bucket, endpoint, credentials, pageSize: PAGE });
  });
  after(() => store.close());

  it('applies whatever names in the bytewise order of whole keys, in whatever order they were put', async () => {
    const part = fc.oneof(
      fc.constantFrom(
        'part-',
        'sales ',
        '2026/11/28/',
        'a',
        'B',
        '_',
        '~',
        'é',
        '\u{ffff}',
        '\u{1f600}',
        '+',
        '%2F',
      ),
      fc.integer({ min: 0, max: 120 }).map(String),
      fc.constant('1234567890'.repeat(2)),
      fc.uuid(),
    );
    const name = fc
      .tuple(fc.array(part, { minLength: 1, maxLength: 4 }), fc.constantFrom('.csv', '.CSV'))
      .map(([parts, ending]) => parts.join('') + ending);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, {
          minLength: isLargeDose ? PAGE / 2 : PAGE,
          maxLength: 2 * PAGE,
          selector: (each) => each.toLowerCase(),
        }),
        async (names) => {
          const prefix = `${chunkKey(`round-${++round}`)}/`;
          for (const each of names) await current.s3.store.put(prefix + each, csv('C1,F,shop,1'), 'text/csv');
          await detectOnce({ ...byName, CHUNKS_PREFIX: prefix }, { store });
          const chunks = await ledger();
          expect(chunks.map(({ object_key }) => object_key)).to.deep.equal(
            bytewise(names.map((each) => `round-${round}/${each}`)),
          );
          for (const chunk of chunks)
            expect(chunk).to.include({ status: 'applied', object_number: null, is_late: false });
          await renewDatabase();
        },
      ),
      { numRuns: isLargeDose ? 30 : 1 },
    );
  }).timeout(60_000);

  it('finds what is put one after the other with pages from the last name on, whatever else lies there', async () => {
    for (let index = 0; index < PAGE + 5; index++) await put(`zz-${index}.txt`, '');
    await put('part-00000-aa.csv', csv());
    const detector = startDetector({ ...byName, FULL_LIST_MS: 86_400_000 }, { store });
    await untilApplied(1);
    const names = ['part-00000-b.csv', 'part-00001-a.csv', 'part-00001-c.csv.gz.csv', 'part-1.csv', 'q.csv'];
    for (const [index, name] of names.entries()) {
      await put(name, csv());
      await untilApplied(index + 2);
    }
    await detector.stop();
    expect((await ledger()).map(({ object_key }) => object_key)).to.deep.equal([
      'part-00000-aa.csv',
      ...names,
    ]);
  });

  it('applies a name below one that was applied when it sees it, as late', async () => {
    await put('2026-11-28.csv', csv('C1,F,shop,1'));
    const detector = startDetector(byName, { store });
    await untilApplied(1);
    await put('2026-11-27.csv', csv('C2,F,shop,1'));
    await untilApplied(2);
    await put('2026-11-29.csv', csv('C3,F,shop,1'));
    const chunks = await untilApplied(3);
    await detector.stop();
    expect(chunks.map(({ object_key, is_late }) => [object_key, is_late])).to.deep.equal([
      ['2026-11-28.csv', false],
      ['2026-11-27.csv', true],
      ['2026-11-29.csv', false],
    ]);
  });

  it('is not late behind a name in quarantine, and applies that name when it is mended', async () => {
    await put('b.csv', 'customer\n');
    await detectOnce(byName);
    await put('a.csv', csv('C1,F,shop,1'));
    await detectOnce(byName);
    await put('b.csv', csv('C2,F,shop,1'));
    await detectOnce(byName);
    expect(
      (await ledger()).map(({ object_key, is_late, status }) => [object_key, is_late, status]),
    ).to.deep.equal([
      ['a.csv', false, 'applied'],
      ['b.csv', false, 'applied'],
    ]);
  });

  it('is refused where chunks were applied by number, and the other way round', async () => {
    await put('part-00001.csv', csv('C1,F,shop,1'));
    for (const [first, other] of [
      ['number', 'name'],
      ['name', 'number'],
    ] as const) {
      await renewDatabase();
      await detectOnce({ CHUNK_ORDER: first });
      const before = await ledger();
      const error: unknown = await detectOnce({ CHUNK_ORDER: other }).catch((thrown: unknown) => thrown);
      expect(String(error)).to.equal(
        `UserError: the chunks of this database were applied with CHUNK_ORDER=${first}, and CHUNK_ORDER is ${other} now: a database keeps its order; set CHUNK_ORDER as it was, or use another database`,
      );
      expect(await ledger()).to.deep.equal(before);
    }
  });

  it('goes on where nothing was applied by number yet', async () => {
    await put('part-1.csv', 'customer\n');
    await detectOnce();
    await put('part-0.csv', csv('C1,F,shop,1'));
    await detectOnce(byName);
    expect((await ledger()).map(({ status }) => status)).to.deep.equal(['applied', 'quarantined']);
  });

  it('gives what verify, rebuild and backtest find again, and status counts', async () => {
    for (const name of ['c/10-b.csv', 'c/9-a.csv', 'c/none.csv', 'c/10-a.csv'])
      await put(name, children(name, 2));
    await detectOnce(byName);
    expect((await detections()).map((line) => line.split(' ').slice(2).join(' '))).to.include.members([
      'Cc/10-a.csv-000 1',
      'Cc/10-b.csv-000 2',
      'Cc/9-a.csv-000 3',
      'Cc/none.csv-000 4',
    ]);
    const { differences, totals } = await withAudit(current, (options) => audit(options));
    expect(differences).to.deep.equal([]);
    expect(totals).to.include({ chunk_count: 4, row_count: 16 });
    const other = await withAudit(current, (options) => backtest(options, 'PatId2', {}));
    expect(other.detections.map(({ change }) => change)).to.deep.equal(Array<string>(8).fill('same'));
    const { code, stdout } = await run(['rebuild'], current.environment());
    expect(stdout).to.match(/4 replayed, 16 rows\n/);
    expect(code).to.equal(0);
    expect((await run(['status'], current.environment())).stdout).to.match(
      /^chunks {6}4 applied, 0 waiting, 0/,
    );
  }).timeout(60_000);

  it('lists one page a poll, not the whole bucket', async () => {
    for (let index = 0; index < 3 * PAGE; index++) await put(`day-${1000 + index}.csv`, csv());
    let pages = 0;
    const { store: whole, endpoint, credentials } = current.s3;
    const counting = ObjectStore.open({ bucket: whole.bucket, endpoint, credentials, pageSize: PAGE });
    const listPage = counting.listPage.bind(counting);
    counting.listPage = (...args) => {
      pages++;
      return listPage(...args);
    };
    counting.watchedBy = () => counting; // retries look on at the answers of another object
    const detector = startDetector(
      { ...byName, FULL_LIST_MS: 86_400_000, POLL_INTERVAL_MS: 20 },
      { store: counting },
    );
    await untilApplied(3 * PAGE);
    pages = 0;
    const start = performance.now();
    await sleep(300);
    const most = (performance.now() - start) / 20 + 1;
    await detector.stop();
    counting.close();
    expect(pages).to.be.within(1, most);
  });
});
