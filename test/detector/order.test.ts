import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { ObjectStore } from '../../src/s3/object-store.js';
import { csv, useDetector } from '../support/detector.js';
import { isLargeDose, PAGE } from '../support/dose.js';

describe('detect', () => {
  const current = useDetector();
  const { put, detectOnce, startDetector, ledger, untilApplied } = current;
  /** The same, by pages of a listing that a few objects fill. */
  let store: ObjectStore;
  before(() => {
    const { store: whole, endpoint, credentials } = current.s3;
    store = ObjectStore.open({ bucket: whole.bucket, endpoint, credentials, pageSize: PAGE });
  });
  after(() => store.close());

  describe('the order of chunks', () => {
    it('is that of their numbers, though keys are not padded and come in any order', async () => {
      const count = isLargeDose ? 30 : 12;
      const others = Array.from({ length: count - 1 }, (_, index) => index + 1).sort(
        () => Math.random() - 0.5,
      );
      await put(0, csv('C0,F,shop,1'));
      let isInputOver = false;
      const done = detectOnce({ GAP_TIMEOUT_MS: 30_000 }, { isInputOver: () => isInputOver });
      for (const number of others) await put(number, csv(`C${number},F,shop,1`));
      isInputOver = true;
      await done;
      const chunks = await ledger();
      expect(chunks.map(({ object_number }) => object_number)).to.deep.equal(
        Array.from({ length: count }, (_, n) => n),
      );
      expect(chunks.map(({ chunk_no }) => chunk_no)).to.deep.equal(
        Array.from({ length: count }, (_, n) => n + 1),
      );
      expect(chunks.some(({ is_late }) => is_late)).to.equal(false);
    });

    it('is the same with more objects than one page of a listing holds, even if gaps are not waited for', async () => {
      // what sorts between chunk_19 and chunk_2 is more than a page
      const fill = Array.from({ length: PAGE + 10 }, (_, index) => `chunk_1x${index}.txt`);
      for (let at = 0; at < fill.length; at += 20) {
        await Promise.all(fill.slice(at, at + 20).map((name) => put(name, '')));
      }
      const numbers = Array.from({ length: 21 }, (_, index) => index + 1);
      await Promise.all(numbers.map((number) => put(number, csv())));
      await detectOnce({ GAP_TIMEOUT_MS: 0 }, { store });
      expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal(numbers);
    });

    it('passes over a gap after a while; what fills it later is applied as late', async () => {
      for (const number of [1, 2, 4]) await put(number, csv(`C${number},F,shop,1`));
      const detector = startDetector();
      await untilApplied(3);
      const passed = detector.log.filter(({ msg }) => msg === 'missing numbers passed over');
      expect(passed.map(({ missing }) => missing)).to.deep.equal(['3']);
      await put(3, csv('C3,F,shop,1'));
      const chunks = await untilApplied(4);
      await detector.stop();
      expect(chunks.map(({ object_number, is_late }) => [object_number, is_late])).to.deep.equal([
        [1, false],
        [2, false],
        [4, false],
        [3, true],
      ]);
    });

    it('waits for a gap that is filled in time', async () => {
      await put(1, csv());
      await put(3, csv());
      const detector = startDetector({ GAP_TIMEOUT_MS: 60_000 });
      await untilApplied(1);
      await sleep(100);
      expect(await ledger()).to.have.length(1);
      await put(2, csv());
      const chunks = await untilApplied(3);
      await detector.stop();
      expect(chunks.map(({ object_number, is_late }) => [object_number, is_late])).to.deep.equal([
        [1, false],
        [2, false],
        [3, false],
      ]);
    });
  });

  describe('between two full listings', () => {
    const name = (number: number | string) => `chunk-${String(number).padStart(8, '0')}.csv`;
    const settings = { FULL_LIST_MS: 86_400_000, GAP_TIMEOUT_MS: 200 };

    /** Puts each when the one before is applied, so that a poll must find it. */
    async function putOneByOne(numbers: readonly number[], appliedBefore: number): Promise<void> {
      for (const [index, number] of numbers.entries()) {
        await put(name(number), csv(`C${number},F,shop,1`));
        await untilApplied(appliedBefore + index + 1);
      }
    }

    it('new chunks are found, whatever else lies under the prefix', async () => {
      await put(name('0'.padEnd(20, '9')), csv()); // no number: it has too many digits
      await put('zz-report.csv', csv());
      await put('zz.txt', '');
      const detector = startDetector(settings, { store });
      await putOneByOne([1, 2, 3], 0);
      await detector.stop();
    });

    it('new chunks are found behind one of a far greater number, and late ones in a hole', async () => {
      await put(name(1), csv());
      await put(name(90_000_000), csv());
      const detector = startDetector(settings, { store });
      await untilApplied(2);
      await putOneByOne([2, 3, 5, 4, 6], 2);
      await detector.stop();
    });

    /** More than a page of a listing holds. */
    async function fill(nameOf: (index: number) => string): Promise<void> {
      const names = Array.from({ length: PAGE + 10 }, (_, index) => nameOf(index));
      for (let at = 0; at < names.length; at += 20)
        await Promise.all(names.slice(at, at + 20).map((each) => put(each, '')));
    }

    it('new chunks are found with more objects than a page holds between them, and a hole before', async () => {
      await put(name(1), csv());
      await put(name(3), csv());
      const detector = startDetector(settings, { store });
      await untilApplied(2);
      await fill((index) => `chunk-00000003-${index}.txt`);
      await putOneByOne([4, 5], 2);
      await detector.stop();
    });

    it('new chunks are found with more objects than a page holds behind them', async () => {
      await put(name(1), csv());
      await fill((index) => `zz-${index}.txt`);
      const detector = startDetector(settings, { store });
      await untilApplied(1);
      await putOneByOne([2, 3], 1);
      await detector.stop();
    });

    it('new chunks are found when others have names of another kind, behind or before', async () => {
      await put('aaa-00000007.csv', csv());
      await put('zz/00000001.csv', csv());
      await put(name(2), csv());
      const detector = startDetector(settings, { store });
      await untilApplied(3);
      await putOneByOne([3, 5], 3);
      await put('resent/chunk-00000004.csv', csv());
      await untilApplied(6);
      await putOneByOne([6, 8], 6);
      await detector.stop();
    });

    it('new chunks are found where there are more than a page of unpadded ones', async () => {
      await put(2000, csv());
      await fill((index) => `chunk_${index}.txt`);
      const detector = startDetector(settings, { store });
      await untilApplied(1);
      await putOneByOne([2001, 2002], 1);
      await detector.stop();
    });
  });
});
