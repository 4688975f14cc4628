import { expect } from 'chai';
import { pino } from 'pino';
import { isInTrouble, retryForever } from '../../src/async/retry.js';

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

describe('retryForever', () => {
  const lines: { level: number; msg: string; reason?: string; seconds?: number }[] = [];
  const log = pino(
    { level: 'trace' },
    { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) },
  );
  const passing = Object.assign(new Error('gone'), { code: 'ECONNRESET' });
  const isTransient = (error: unknown) => error === passing;
  beforeEach(() => lines.splice(0));

  it('tries until it works, and says once that there is trouble and once that it is over', async () => {
    let left = 3;
    const work = () => (left-- > 0 ? Promise.reject(passing) : Promise.resolve('done'));
    expect(await retryForever('object_store', { log, isTransient }, work)).to.equal('done');
    expect(lines.map(({ level, msg, reason }) => ({ level, msg, reason }))).to.deep.equal([
      { level: 40, msg: 'the object store is in trouble; trying again until it works', reason: 'gone' },
      { level: 30, msg: 'the object store works again', reason: undefined },
    ]);
  });

  it('says again, now and then, that there still is trouble: why, and for how long', async () => {
    let left = 4;
    const transient = ['gone', 'refused', 'refused', 'refused'].map((text) => new Error(text));
    const work = () => (left-- > 0 ? Promise.reject(transient[3 - left]!) : Promise.resolve());
    await retryForever('database', { log, isTransient: () => true, remindMs: 150 }, work);
    expect(lines[0]).to.include({ msg: 'the database is in trouble; trying again until it works' });
    expect(lines.at(-1)).to.include({ msg: 'the database works again' });
    const reminders = lines.slice(1, -1);
    expect(reminders).to.have.length.above(0);
    for (const line of reminders) {
      expect(line).to.include({ level: 40, reason: 'refused' });
      expect(line).to.include({ msg: 'the database is still in trouble; trying again until it works' });
      expect(line).to.have.property('seconds').that.is.within(0, 5);
    }
  });

  it('says it once for calls that are in trouble at the same time', async () => {
    const work = () => {
      let left = 2;
      return () => (left-- > 0 ? Promise.reject(passing) : Promise.resolve());
    };
    await Promise.all([1, 2, 3].map(() => retryForever('object_store', { log, isTransient }, work())));
    expect(lines.map(({ level }) => level)).to.deep.equal([40, 30]);
  });

  it('throws at once what does not pass', async () => {
    const lasting = new Error('no');
    let calls = 0;
    const work = () => (calls++, Promise.reject(lasting));
    expect(await failureOf(retryForever('object_store', { log, isTransient }, work))).to.equal(lasting);
    expect(calls).to.equal(1);
    expect(lines).to.deep.equal([]);
  });

  it('ends in the middle of a pause when it is told to', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const work = () => Promise.reject(passing);
    const call = failureOf(
      retryForever('object_store', { log, isTransient, signal: controller.signal }, work),
    );
    setTimeout(() => controller.abort(reason), 30);
    expect(await call).to.equal(reason);
  });

  it('keeps the result of work that ended well although it was told to end', async () => {
    const controller = new AbortController();
    const work = () => (controller.abort(), Promise.resolve('done'));
    expect(
      await retryForever('object_store', { log, isTransient, signal: controller.signal }, work),
    ).to.equal('done');
  });

  it('begins anew with short pauses, and says that the trouble is over, when long work says that it works', async () => {
    const pauses: number[] = [];
    await retryForever('database', { log, isTransient }, async ({ pausedMs, works }) => {
      pauses.push(pausedMs);
      if (pauses.length === 3) works();
      if (pauses.length < 5) throw passing;
      return Promise.resolve();
    });
    const [first, ...others] = pauses;
    expect(first).to.equal(0);
    // the second pause is longer than the first; that after `works()` is the shortest kind again
    for (const [index, most] of [100, 200, 100, 200].entries())
      expect(others[index]).to.be.within(most / 2, most);
    expect(lines.map(({ level }) => level)).to.deep.equal([40, 30, 40, 30]);
  });

  it('knows whether a call is in trouble', async () => {
    const seen: boolean[] = [];
    await retryForever('object_store', { log, isTransient }, () => {
      seen.push(isInTrouble('object_store'));
      return seen.length === 1 ? Promise.reject(passing) : Promise.resolve();
    });
    expect([...seen, isInTrouble('object_store'), isInTrouble('database')]).to.deep.equal([
      false,
      true,
      false,
      false,
    ]);
  });
});
