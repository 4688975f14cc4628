import { expect } from 'chai';
import fc from 'fast-check';
import { Backlog, describeMissing, type Claimed, type PendingObject } from '../../src/detector/backlog.js';

const objectOf = (number: number | bigint, key = `chunk_${number}.csv`): PendingObject => ({
  key,
  number: BigInt(number),
  size: 1,
  etag: 'e',
  lastModified: new Date(Number(number)),
});

/** A backlog in which these numbers wait. */
function backlogOf(numbers: readonly number[], { gapTimeoutMs = 1000, position = 0 } = {}): Backlog {
  const backlog = new Backlog(gapTimeoutMs, BigInt(position));
  backlog.add(numbers.map((number) => objectOf(number)));
  return backlog;
}

/** The number whose turn it is, in hand now; or until when one is waited for; or undefined. */
function claim(backlog: Backlog, now = 0): number | { waitUntil: number } | undefined {
  const claimed = backlog.claim(now);
  return claimed && 'object' in claimed ? Number(claimed.object.number) : claimed;
}

/** All that can be claimed now, each settled. */
function claimAll(backlog: Backlog, now = 0): number[] {
  const numbers: number[] = [];
  for (;;) {
    const claimed = backlog.claim(now);
    if (!claimed || !('object' in claimed)) return numbers;
    numbers.push(Number(claimed.object.number));
    backlog.markDone(claimed.object);
  }
}

function take(backlog: Backlog, now: number): PendingObject {
  const claimed = backlog.claim(now);
  return claimed && 'object' in claimed ? claimed.object : expect.fail('nothing could be claimed');
}

describe('Backlog', () => {
  it('goes by number, not by key', () => {
    expect(claimAll(backlogOf([10, 2, 1, 9, 3, 8, 4, 7, 5, 6]))).to.deep.equal([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
  });

  it('tells apart numbers of 18 digits', () => {
    const backlog = new Backlog(0, 0n);
    backlog.add([objectOf(999_999_999_999_999_999n), objectOf(999_999_999_999_999_998n)]);
    expect(take(backlog, 0).number).to.equal(999_999_999_999_999_998n);
  });

  it('begins at 1, or at 0 if there is a 0', () => {
    expect(claimAll(backlogOf([1, 2]))).to.deep.equal([1, 2]);
    expect(claimAll(backlogOf([0, 1, 2]))).to.deep.equal([0, 1, 2]);
    expect(claim(backlogOf([2]), 0)).to.deep.equal({ waitUntil: 1000 });
  });

  it('goes on behind the number that was dealt with last', () => {
    expect(claimAll(backlogOf([8, 9], { position: 7 }))).to.deep.equal([8, 9]);
    expect(claim(backlogOf([9], { position: 7 }))).to.deep.equal({ waitUntil: 1000 });
  });

  it('waits for a missing number, then passes over it and says which were missing', () => {
    const backlog = backlogOf([1, 5]);
    expect(claim(backlog, 0)).to.equal(1);
    expect(backlog.isGapOpen).to.equal(false);
    expect(claim(backlog, 100)).to.deep.equal({ waitUntil: 1100 });
    expect(backlog.isGapOpen).to.equal(true);
    expect(claim(backlog, 1099)).to.deep.equal({ waitUntil: 1100 });
    const claimed = backlog.claim(1100) as Claimed;
    expect(claimed).to.deep.include({ skipped: 3n });
    expect(describeMissing(claimed, [])).to.equal('2 to 4');
    expect(backlog.isGapOpen).to.equal(false);
  });

  it('names what it passed over: a number, a range, and keys, of which at most five', () => {
    const claimed = { object: objectOf(9), skipped: 1n, lostKeys: [] };
    expect(describeMissing(claimed, [])).to.equal('8');
    const lostKeys = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    expect(describeMissing({ ...claimed, skipped: 9n, lostKeys }, lostKeys)).to.equal(
      '7 to 8, a, b, c, d, e, 2 more',
    );
    expect(describeMissing({ ...claimed, skipped: 7n, lostKeys }, [])).to.equal('');
  });

  it('goes on at once when the missing number comes', () => {
    const backlog = backlogOf([2]);
    expect(claim(backlog, 0)).to.deep.equal({ waitUntil: 1000 });
    backlog.add([objectOf(1)]);
    expect(claimAll(backlog, 1)).to.deep.equal([1, 2]);
  });

  it('waits for each gap anew, and once for a gap of several numbers', () => {
    const backlog = backlogOf([1, 4, 6]);
    expect(claimAll(backlog, 0)).to.deep.equal([1]);
    expect(claimAll(backlog, 1000)).to.deep.equal([4]);
    expect(claim(backlog, 1000)).to.deep.equal({ waitUntil: 2000 });
    expect(claimAll(backlog, 2000)).to.deep.equal([6]);
  });

  it('waits for what is still missing when a part of a gap is filled', () => {
    const backlog = backlogOf([1, 4]);
    expect(claimAll(backlog, 0)).to.deep.equal([1]);
    backlog.add([objectOf(2)]);
    expect(claimAll(backlog, 500)).to.deep.equal([2]);
    expect(claim(backlog, 500)).to.deep.equal({ waitUntil: 1500 });
  });

  it('passes over a number only when a full listing has lacked it at the end of the wait', () => {
    const backlog = backlogOf([2]);
    expect(backlog.claim(0, 0)).to.deep.equal({ waitUntil: 1000 });
    expect(backlog.claim(5000, 900)).to.deep.equal({ waitUntil: 1000 });
    expect(backlog.claim(5000, 1000)).to.have.property('object');
  });

  it('waits for nothing with a timeout of 0', () => {
    expect(claimAll(backlogOf([3, 7], { gapTimeoutMs: 0 }))).to.deep.equal([3, 7]);
  });

  it('applies at once what comes after its number was passed, smallest first', () => {
    const backlog = backlogOf([1, 5], { gapTimeoutMs: 0 });
    expect(claimAll(backlog)).to.deep.equal([1, 5]);
    backlog.add([objectOf(4), objectOf(2), objectOf(6)]);
    expect(claimAll(backlog)).to.deep.equal([2, 4, 6]);
  });

  it('lets a late object go first while a gap is open', () => {
    const backlog = backlogOf([5], { position: 3 });
    expect(claim(backlog, 0)).to.deep.equal({ waitUntil: 1000 });
    backlog.add([objectOf(2)]);
    expect(claim(backlog, 1)).to.equal(2);
  });

  it('does not begin the wait for an open gap anew when an object comes late, or with a number that is taken', () => {
    const backlog = backlogOf([5], { position: 3 });
    expect(claim(backlog, 0)).to.deep.equal({ waitUntil: 1000 });
    backlog.add([objectOf(2), objectOf(3, 'again_3.csv')]);
    expect(claimAll(backlog, 900)).to.deep.equal([2, 3]);
    expect(backlog.isGapOpen).to.equal(true);
    backlog.add([objectOf(1)]);
    backlog.markMissing(take(backlog, 950), 950);
    expect(claim(backlog, 999)).to.deep.equal({ waitUntil: 1000 });
    expect(claim(backlog, 1000)).to.equal(5);
  });

  it('gives objects with one number in the order of their keys', () => {
    const backlog = new Backlog(0, 0n);
    backlog.add([objectOf(1, 'b_1.csv'), objectOf(1, 'B_1.csv'), objectOf(1, 'a-01.csv')]);
    expect([take(backlog, 0), take(backlog, 0), take(backlog, 0)].map(({ key }) => key)).to.deep.equal([
      'B_1.csv',
      'a-01.csv',
      'b_1.csv',
    ]);
  });

  it('does not add again what waits or is in hand', () => {
    const backlog = backlogOf([1, 2]);
    const first = take(backlog, 0);
    backlog.add([objectOf(1), objectOf(2)]);
    expect(backlog.size).to.equal(2);
    expect(claim(backlog)).to.equal(2);
    expect(claim(backlog)).to.equal(undefined);
    backlog.markDone(first);
    expect(backlog.size).to.equal(1);
  });

  it('knows how many wait or are in hand, and since when', () => {
    const backlog = backlogOf([3, 1, 2]);
    expect(backlog.oldestAt).to.deep.equal(new Date(1));
    const first = take(backlog, 0);
    expect({ size: backlog.size, oldestAt: backlog.oldestAt }).to.deep.equal({
      size: 3,
      oldestAt: new Date(1),
    });
    backlog.markDone(first);
    expect({ size: backlog.size, oldestAt: backlog.oldestAt }).to.deep.equal({
      size: 2,
      oldestAt: new Date(2),
    });
    claimAll(backlog);
    expect({ size: backlog.size, oldestAt: backlog.oldestAt }).to.deep.equal({ size: 0, oldestAt: null });
  });

  it('shows what comes next without taking it', () => {
    const backlog = backlogOf([4, 3, 1, 2]);
    expect(backlog.upcoming.map(({ number }) => Number(number))).to.deep.equal([1, 2, 3, 4]);
    expect(claim(backlog)).to.equal(1);
  });

  describe('an object that was listed but is not there', () => {
    it('is a gap, until it is listed again', () => {
      const backlog = backlogOf([1, 2]);
      backlog.markMissing(take(backlog, 0), 10);
      expect(backlog.size).to.equal(1);
      expect(claim(backlog, 20)).to.deep.equal({ waitUntil: 1010 });
      backlog.add([objectOf(1)]);
      expect(claimAll(backlog, 30)).to.deep.equal([1, 2]);
    });

    it('is passed over in the end, though it is listed and lost again and again', () => {
      const backlog = backlogOf([1, 2]);
      backlog.markMissing(take(backlog, 0), 0);
      for (let now = 100; now < 1000; now += 100) {
        backlog.add([objectOf(1)]);
        backlog.markMissing(take(backlog, now), now);
        expect(claim(backlog, now)).to.deep.equal({ waitUntil: 1000 });
      }
      expect(claim(backlog, 1000)).to.equal(2);
    });

    it('does not begin the wait for the numbers before it anew, but has a wait of its own', () => {
      const backlog = backlogOf([3]);
      expect(claim(backlog, 0)).to.deep.equal({ waitUntil: 1000 });
      backlog.markMissing(take(backlog, 1000), 1200);
      backlog.add([objectOf(4)]);
      expect(claim(backlog, 1200)).to.deep.equal({ waitUntil: 2200 });
      expect(backlog.claim(2200)).to.deep.include({ skipped: 1n });
    });

    it('is waited for, though nothing else waits, and then no longer', () => {
      const backlog = backlogOf([1]);
      backlog.markMissing(take(backlog, 0), 0);
      expect(claim(backlog, 999)).to.deep.equal({ waitUntil: 1000 });
      expect(backlog.isGapOpen).to.equal(true);
      backlog.add([objectOf(1)]);
      expect(backlog.hasWork(999)).to.equal(true);
      expect(backlog.hasWork(1000)).to.equal(false);
      expect(claim(backlog, 1000)).to.equal(1);
    });

    it('counts as new no more when it is listed again', () => {
      const backlog = backlogOf([1]);
      backlog.markMissing(take(backlog, 0), 0);
      expect(backlog.add([objectOf(1), objectOf(2)])).to.equal(1);
      expect(claimAll(backlog, 0)).to.deep.equal([1, 2]);
      expect(backlog.add([objectOf(1)]), 'once it was had').to.equal(1);
    });

    it('is waited for together with those that are lost directly behind it', () => {
      const backlog = backlogOf([1, 2, 3, 4, 5]);
      backlog.markMissing(take(backlog, 0), 0);
      for (let number = 2; number <= 3; number++) {
        const object = take(backlog, 1000 + number);
        expect(Number(object.number)).to.equal(number);
        backlog.markMissing(object, 1000 + number);
      }
      expect(claim(backlog, 1004)).to.equal(4);
      const behind = take(backlog, 1005);
      backlog.markMissing(behind, 1005);
      backlog.add([objectOf(6)]);
      expect(claim(backlog, 1006), 'not behind one that was there').to.deep.equal({ waitUntil: 2005 });
    });

    it('that comes late leaves no gap behind', () => {
      const backlog = backlogOf([2], { position: 5 });
      backlog.markMissing(take(backlog, 0), 0);
      backlog.add([objectOf(6)]);
      expect(claim(backlog, 0)).to.equal(6);
      expect(backlog.isGapOpen).to.equal(false);
    });
  });

  it('counts an object that is released as work, however long it was held, until it is lost again', () => {
    const backlog = backlogOf([1]);
    backlog.hold(take(backlog, 0), 0);
    expect(backlog.hasWork(5000)).to.equal(false);
    backlog.release('chunk_1.csv');
    expect(backlog.hasWork(5000)).to.equal(true);
    backlog.markMissing(take(backlog, 5000), 5000);
    backlog.add([objectOf(1)]);
    expect(backlog.hasWork(5000)).to.equal(false);
  });

  describe('by name', () => {
    const named = (...keys: string[]) =>
      keys.map((key): PendingObject => ({ ...objectOf(0, key), number: null }));
    const keysOf = (backlog: Backlog, now = 0): string[] => {
      const claimed = backlog.claim(now);
      if (!claimed || !('object' in claimed)) return [];
      backlog.markDone(claimed.object);
      return [claimed.object.key, ...keysOf(backlog, now)];
    };

    it('goes by the bytes of whole keys and waits for nothing', () => {
      const backlog = new Backlog(1000, null);
      backlog.add(
        named('b/1.csv', 'a-2.csv', 'a-10.csv', '\u{10000}.csv', '\u{ffff}.csv', 'none.csv', 'B.csv'),
      );
      expect(keysOf(backlog)).to.deep.equal(
        ['B.csv', 'a-10.csv', 'a-2.csv', 'b/1.csv', 'none.csv', '\u{ffff}.csv', '\u{10000}.csv'], // prettier-ignore
      );
      backlog.add(named('c.csv', 'A.csv'));
      expect(keysOf(backlog), 'late ones at once').to.deep.equal(['A.csv', 'c.csv']);
    });

    it('waits for one that was listed but is not there, before those behind it', () => {
      const backlog = new Backlog(1000, null);
      backlog.add(named('b', 'c'));
      backlog.markMissing(take(backlog, 0), 0);
      expect(backlog.claim(10)).to.deep.equal({ waitUntil: 1000 });
      expect(backlog.isGapOpen).to.equal(true);
      backlog.add(named('a'));
      expect(keysOf(backlog, 20)).to.deep.equal(['a']);
      backlog.add(named('b'));
      expect(keysOf(backlog, 30)).to.deep.equal(['b', 'c']);
    });

    it('passes over one that stays away', () => {
      const backlog = new Backlog(1000, null);
      backlog.add(named('b', 'c'));
      backlog.markMissing(take(backlog, 0), 0);
      expect(backlog.claim(1000)).to.deep.include({ skipped: 1n });
      expect(backlog.isGapOpen).to.equal(false);
    });
  });

  for (const order of ['number', 'name'] as const) {
    it(`gives any objects in any order of arrival as a simple model does, by ${order}`, () => {
      const step = fc.oneof(
        fc.record({
          kind: fc.constant('add' as const),
          numbers: fc.uniqueArray(fc.nat({ max: 12 }), { maxLength: 4 }),
        }),
        fc.record({ kind: fc.constant('claim' as const), isLost: fc.boolean() }),
        fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 60 }) }),
      );
      const object = (number: number): PendingObject =>
        order === 'number'
          ? objectOf(number)
          : { ...objectOf(number, String(number).padStart(2, '0')), number: null };
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          const backlog = new Backlog(100, order === 'number' ? 0n : null);
          const waiting = new Set<number>();
          let position = order === 'number' ? 0 : -1;
          /** Those that were listed but not there: since when; whether one behind them was claimed meanwhile. */
          const lost = new Map<number, { since: number; isPassed: boolean }>();
          let gapSince: number | undefined;
          let now = 0;
          for (const step of steps) {
            if (step.kind === 'wait') now += step.ms;
            else if (step.kind === 'add') {
              backlog.add(step.numbers.map(object));
              for (const number of step.numbers) waiting.add(number);
            } else {
              const claimed = backlog.claim(now);
              if (waiting.size === 0) {
                const waitUntil = Math.max(-1, ...[...lost.values()].map(({ since }) => since + 100));
                expect(claimed).to.deep.equal(now < waitUntil ? { waitUntil } : undefined);
                continue;
              }
              const least = Math.min(...waiting);
              const isLate = order === 'number' ? least <= position : least < position;
              const awaited = [...lost].filter(
                ([number, { isPassed }]) => !isLate && !isPassed && number < least && !waiting.has(number),
              );
              const gap = order === 'number' && least > position + 1 ? least - position - 1 : 0;
              if (gap > 0) gapSince ??= now;
              const waitUntil = Math.max(
                ...awaited.map(([, { since }]) => since + 100),
                gap > 0 ? gapSince! + 100 : -1,
              );
              if (now < waitUntil) {
                expect(claimed).to.deep.equal({ waitUntil });
                continue;
              }
              if (!claimed || !('object' in claimed)) expect.fail(`${least} could not be claimed`);
              expect(claimed.object.key).to.equal(object(least).key);
              expect(Number(claimed.skipped)).to.equal(gap + awaited.length);
              waiting.delete(least);
              if (!isLate) {
                position = least;
                gapSince = undefined;
                for (const [, each] of awaited) each.isPassed = true;
              }
              if (step.isLost) {
                backlog.markMissing(claimed.object, now);
                const since = awaited.length > 0 ? Math.max(...awaited.map(([, each]) => each.since)) : now;
                if (!lost.has(least)) lost.set(least, { since, isPassed: isLate });
              } else {
                backlog.markDone(claimed.object);
                lost.delete(least);
              }
            }
            expect(backlog.size).to.equal(waiting.size);
          }
        }),
        { numRuns: 1000 },
      );
    });
  }

  it('takes 10,000 objects that come page by page in a moment', function () {
    this.timeout(10_000); // a quadratic one takes minutes
    const numbers = Array.from({ length: 10_000 }, (_, index) => index + 1);
    const keys = numbers.map((number) => objectOf(number)).sort((a, b) => (a.key < b.key ? -1 : 1));
    const backlog = new Backlog(1000, 0n);
    const byName = new Backlog(1000, null);
    for (let at = 0; at < keys.length; at += 1000) {
      backlog.add(keys.slice(at, at + 1000));
      byName.add(keys.slice(at, at + 1000).map((object) => ({ ...object, number: null })));
    }
    expect(claimAll(backlog)).to.deep.equal(numbers);
    expect(byName.upcoming.map(({ key }) => key)).to.deep.equal(keys.map(({ key }) => key));
  });
});
