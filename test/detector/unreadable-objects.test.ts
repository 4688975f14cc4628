import type { ServerResponse } from 'node:http';
import { expect } from 'chai';
import { UserError } from '../../src/errors.js';
import { csv, logInto, until, useDetector, type LogLine } from '../support/detector.js';
import { FlakyLink } from '../support/flaky-link.js';
import { OddStore, refuse, type OddRequest } from '../support/odd-store.js';

type Refusal = (res: ServerResponse) => void;

const archived: Refusal = (res) =>
  refuse(res, 403, 'InvalidObjectState', "The operation is not valid for the object's storage class");
const denied: Refusal = (res) => refuse(res, 403, 'AccessDenied', 'Access Denied');
const failing: Refusal = (res) => refuse(res, 500, 'InternalError', 'We encountered an internal error');

describe('detect, of an object that the store lists and does not hand out,', () => {
  const current = useDetector();
  const { chunkKey, detectOnce, startDetector, ledger, untilApplied } = current;
  let odd: OddStore;

  before(async () => {
    odd = await OddStore.start();
  });
  beforeEach(() => odd.reset());
  after(() => odd.stop());

  function putChunks(count: number): void {
    for (let number = 1; number <= count; number++)
      odd.put(chunkKey(number), csv(`C${number},F,shop,${number}`));
  }

  /** Refuses each GET of these chunks. */
  function refuseChunks(refusal: Refusal, ...numbers: number[]): void {
    const keys = numbers.map(chunkKey);
    odd.oddity = ({ method, isListing, key }: OddRequest, res) => {
      if (method !== 'GET' || isListing || !keys.includes(key)) return false;
      refusal(res);
      return true;
    };
  }

  const said = (log: readonly LogLine[], text: RegExp) =>
    log.filter(({ msg }) => text.test(msg)).map(({ key, reason }) => `${key}: ${reason}`);
  const failureOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error,
    );

  it('names it, passes over it after the wait for a gap, and applies it late when it can be read', async () => {
    putChunks(4);
    refuseChunks(archived, 2);
    const detector = startDetector({}, { store: odd.open() });
    await untilApplied(3);
    expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1, 3, 4]);
    expect(said(detector.log, /cannot be read; it waits/)).to.have.length(1);
    expect(said(detector.log, /cannot be read; it waits/)[0]).to.match(
      /chunk_2\.csv: it is archived \(InvalidObjectState: .*\): restore it/,
    );
    expect(said(detector.log, /passed over/).join()).to.match(/^[^,]*chunk_2\.csv: it is archived/);
    await until('it is shown as waiting', async () => {
      const { rows } = await current.database.client.query<{ chunks_pending: number }>(
        'select chunks_pending::int from bankpulse.pipeline_status',
      );
      return rows[0]?.chunks_pending === 1;
    });
    odd.oddity = () => false;
    const chunks = await untilApplied(4);
    await detector.stop();
    expect(chunks.at(-1)).to.deep.include({ object_number: 2, is_late: true, row_count: 1 });
    expect(said(detector.log, /can be read again/)).to.have.length(1);
  });

  it('applies it in its place when it can be read in time', async () => {
    putChunks(3);
    let refusals = 0;
    odd.oddity = ({ method, isListing, key }, res) => {
      if (method !== 'GET' || isListing || key !== chunkKey(2) || ++refusals > 2) return false;
      archived(res);
      return true;
    };
    const log = await detectOnce({ GAP_TIMEOUT_MS: 60_000 }, { store: odd.open() });
    expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1, 2, 3]);
    expect(said(log, /passed over/)).to.deep.equal([]);
  });

  const causes: [what: string, refusal: Refusal, reason: RegExp][] = [
    [
      "is encrypted with a customer's key",
      (res) =>
        refuse(
          res,
          400,
          'InvalidRequest',
          'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
        ),
      /SSE-C.*store it again without that key/,
    ],
    ['is denied', denied, /access to it is denied .*allow s3:GetObject/],
    [
      'has a KMS key that may not be used',
      (res) =>
        refuse(
          res,
          403,
          'AccessDenied',
          'User: u is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext',
        ),
      /KMS key.*allow kms:Decrypt/,
    ],
    [
      'has a KMS key that is disabled',
      (res) => refuse(res, 400, 'KMS.DisabledException', 'key is disabled'),
      /enable the key/,
    ],
    [
      'comes from an object lambda that fails',
      (res) => refuse(res, 400, 'LambdaRuntimeError', 'no'),
      /object lambda fails/,
    ],
    [
      'is refused for a reason of its own',
      (res) => refuse(res, 409, 'Strange', 'no'),
      /the store refuses it/,
    ],
    ['fails again and again', failing, /fails on it again and again, though it hands out others/],
  ];
  it('says what is wrong with each and what to do: "--once" applies the others, then ends with 1 and one line', async () => {
    putChunks(causes.length + 2);
    const refusals = new Map(causes.map(([, refusal], index) => [chunkKey(index + 2), refusal]));
    odd.oddity = ({ method, isListing, key }, res) => {
      const refusal = method === 'GET' && !isListing ? refusals.get(key) : undefined;
      refusal?.(res);
      return refusal !== undefined;
    };
    const log: LogLine[] = [];
    const error = await failureOf(
      detectOnce({ GAP_TIMEOUT_MS: 50 }, { store: odd.open(), stuckMs: 0, log: logInto(log) }),
    );
    expect(error).to.be.instanceOf(UserError);
    expect((error as Error).message).to.match(
      /^not applied, since it cannot be read: \S*chunk_2\.csv, and 6 more\. \S*chunk_2\.csv: it is encrypted/,
    );
    expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1, causes.length + 2]);
    const lines = said(log, /cannot be read; it waits/);
    expect(lines).to.have.length(causes.length);
    for (const [index, [what, , reason]] of causes.entries()) {
      const line = lines.find((text) => text.startsWith(`${chunkKey(index + 2)}: `));
      expect(line, what).to.match(reason);
    }
  });

  it('streams it, with the same result', async () => {
    putChunks(3);
    refuseChunks(archived, 2);
    const error = await failureOf(detectOnce({ PREFETCH_BYTES: 1 }, { store: odd.open() }));
    expect((error as Error).message).to.match(/chunk_2\.csv.*archived/);
    expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1, 3]);
  });

  it('does not take a lost session of the database for it', async () => {
    putChunks(3);
    const link = await FlakyLink.open(current.database.config);
    let readCount = 0;
    odd.oddity = ({ method, isListing, key }) => {
      const isRead = method === 'GET' && !isListing && key === chunkKey(2);
      if (isRead && ++readCount === 1) link.resetAt('copy staged_rows');
      return false;
    };
    const log: LogLine[] = [];
    const options = { config: link.config, store: odd.open(), stuckMs: 0, log: logInto(log) };
    await detectOnce({ PREFETCH_BYTES: 1 }, options).finally(() => link.close());
    expect(readCount).to.be.at.least(2);
    expect(log.filter(({ msg }) => /in trouble/.test(msg)).map(({ msg }) => msg)).to.deep.equal([
      'the database is in trouble; trying again until it works',
    ]);
    const chunks = (await ledger()).map(({ object_number, is_late }) => [object_number, is_late]);
    expect(chunks).to.deep.equal([1, 2, 3].map((number) => [number, false]));
  });

  it('ends when no object can be read: that concerns all of them', async () => {
    putChunks(3);
    refuseChunks(denied, 1, 2, 3);
    const error = await failureOf(detectOnce({}, { store: odd.open() }));
    expect((error as Error).message).to.match(
      /access to bucket "odd" .* is denied \(AccessDenied: Access Denied, reading \S*chunk_1\.csv\): check the credentials/,
    );
    expect(await ledger()).to.deep.equal([]);
  });

  it('tries again for ever when every object fails: the store is in trouble', async () => {
    putChunks(3);
    refuseChunks(failing, 1, 2, 3);
    const detector = startDetector({}, { store: odd.open(), stuckMs: 100 });
    await until('they are tried', () =>
      Promise.resolve(odd.requests.filter(({ key }) => key === chunkKey(1)).length > 12),
    );
    expect(said(detector.log, /cannot be read/)).to.deep.equal([]);
    odd.oddity = () => false;
    await untilApplied(3);
    await detector.stop();
    expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1, 2, 3]);
  });

  it('asks for it with longer and longer pauses, and lists no more than for a gap', async () => {
    putChunks(2);
    refuseChunks(archived, 1);
    const detector = startDetector({ FULL_LIST_MS: 600_000 }, { store: odd.open() });
    await untilApplied(1);
    const asked = () => odd.requests.filter(({ key }) => key === chunkKey(1)).length;
    await until('it is asked for again', () => Promise.resolve(asked() >= 3));
    const first = asked();
    await until('it is asked for once more', () => Promise.resolve(asked() > first));
    expect(asked()).to.equal(first + 1);
    await detector.stop();
  });
});
