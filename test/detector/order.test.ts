import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { csv, useDetector } from '../support/detector.js';

describe('detect', function () {
  this.timeout(60_000);
  const { put, detectOnce, startDetector, ledger, untilApplied } = useDetector();

  describe('the order of chunks', () => {
    it('is that of their numbers, though keys are not padded and come in any order', async () => {
      const others = Array.from({ length: 59 }, (_, index) => index + 1).sort(() => Math.random() - 0.5);
      await put(0, csv('C0,F,shop,1'));
      let isInputOver = false;
      const done = detectOnce({ GAP_TIMEOUT_MS: 30_000 }, { isInputOver: () => isInputOver });
      for (const number of others) await put(number, csv(`C${number},F,shop,1`));
      isInputOver = true;
      await done;
      const chunks = await ledger();
      expect(chunks.map(({ object_number }) => object_number)).to.deep.equal(
        Array.from({ length: 60 }, (_, n) => n),
      );
      expect(chunks.map(({ chunk_no }) => chunk_no)).to.deep.equal(
        Array.from({ length: 60 }, (_, n) => n + 1),
      );
      expect(chunks.some(({ is_late }) => is_late)).to.equal(false);
    });

    it('is the same with more objects than one page of a listing holds, even if gaps are not waited for', async () => {
      // what sorts between chunk_19 and chunk_2 fills the first page
      const fill = Array.from({ length: 1040 }, (_, index) => `chunk_1x${index}.txt`);
      for (let at = 0; at < fill.length; at += 20) {
        await Promise.all(fill.slice(at, at + 20).map((name) => put(name, '')));
      }
      const numbers = Array.from({ length: 60 }, (_, index) => index + 1);
      await Promise.all(numbers.map((number) => put(number, csv())));
      await detectOnce({ GAP_TIMEOUT_MS: 0 });
      expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal(numbers);
    });

    it('passes over a gap after a while; what fills it later is applied as late', async () => {
      for (const number of [1, 2, 4]) await put(number, csv(`C${number},F,shop,1`));
      const detector = startDetector();
      await untilApplied(3);
      expect(detector.log.filter(({ msg }) => msg === 'missing numbers passed over')).to.have.length(1);
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
});
