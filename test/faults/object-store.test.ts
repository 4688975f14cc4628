import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, gzipSync } from 'node:zlib';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { ObjectStore } from '../../src/s3/object-store.js';
import { isLargeDose } from '../support/dose.js';
import { children, csv, rowsOf, until, useDetector, type LogLine } from '../support/detector.js';
import {
  FaultProxy,
  answer,
  badGateway,
  breakBodyAt,
  corruptBody,
  delay,
  dribble,
  endBodyAt,
  loseAnswer,
  reset,
  stall,
  stallBodyAt,
  type Fault,
  type Rule,
  type StoreRequest,
} from '../support/fault-proxy.js';
import { run } from '../support/process.js';

const CHUNKS = isLargeDose ? 8 : 6;
/** In place of the 10 s that stand in src/object-store.ts. */
const NO_PROGRESS_MS = 500;

const IN_TROUBLE = 'the object store is in trouble; trying again until it works';
const WORKS_AGAIN = 'the object store works again';
const count = (log: LogLine[], text: string) => log.filter(({ msg }) => msg === text).length;

describe('with an object store at its worst, mechanism Y', () => {
  const current = useDetector();
  const {
    put,
    chunkKey,
    detectOnce,
    startDetector,
    renewDatabase,
    ledger,
    untilApplied,
    detections,
    state,
    files,
  } = current;
  let proxy: FaultProxy;
  let store: ObjectStore;
  /** The same, but that it waits for an answer as long as it does for users. */
  let patient: ObjectStore;

  before(async () => {
    proxy = await FaultProxy.start(current.s3.endpoint);
    const { credentials, store: direct } = current.s3;
    const place = { bucket: direct.bucket, endpoint: proxy.endpoint, credentials };
    store = ObjectStore.open({ ...place, noProgressTimeoutMs: NO_PROGRESS_MS });
    patient = ObjectStore.open(place);
  });
  beforeEach(() => proxy.reset());
  after(async () => {
    store.close();
    patient.close();
    await proxy.stop();
  });

  const remove = (Key: string) =>
    current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key }));

  const results = async () => ({
    chunks: await ledger(),
    detections: await detections(),
    state: await state(),
    files: Object.fromEntries(Object.entries(await files()).map(([number, text]) => [number, rowsOf(text)])),
  });

  let expected: Awaited<ReturnType<typeof results>> | undefined;

  /** Puts chunks in which all three patterns fire, some of them packed; what comes of them if nothing disturbs. */
  async function undisturbed(): Promise<Awaited<ReturnType<typeof results>>> {
    await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\nC2,shop,2\nC3,shop,3\n');
    for (let chunk = 1; chunk <= CHUNKS; chunk++) {
      const rows = Array.from({ length: 40 }, (_, index) => {
        const customer = (chunk * index * 7) % 31;
        return `C${customer},${customer % 3 === 0 ? 'F' : 'M'},${index % 4 ? 'shop' : 'bar'},${(chunk * index) % 50}`;
      });
      const content = csv(...rows, `C1,F,shop,${chunk}`, `C1,F,shop,${chunk}`);
      if (chunk % 4 === 0) await put(`chunk_${chunk}.csv.gz`, gzipSync(content));
      else await put(chunk, content);
    }
    if (expected) return expected;
    await detectOnce({ BATCH_ROWS: 12 });
    expected = await results();
    for (const pattern of ['PatId1', 'PatId2', 'PatId3'])
      expect(expected.detections.join()).to.include(pattern);
    expect(Object.keys(expected.files).length).to.be.above(2);
    await renewDatabase();
    for (const number of Object.keys(expected.files))
      await remove(`${current.prefix}detections/detections-${number.padStart(8, '0')}.csv`);
    return expected;
  }

  const isChunk = ({ method, key }: StoreRequest) => method === 'GET' && /chunk/.test(key);
  const isFilePut = ({ method, key }: StoreRequest) => method === 'PUT' && /detections-\d/.test(key);
  const isListing = ({ method }: StoreRequest) => method === 'LIST';
  const flip = (content: Buffer) => content.fill(content[20]! ^ 1, 20, 21);

  /** What each request meets at its first, second, ... try; the SDK itself tries three times. */
  const inTurn =
    (isMeant: (request: StoreRequest) => boolean, turns: Fault[]): Rule =>
    (request) =>
      isMeant(request) ? turns[request.nth - 1] : undefined;

  const REQUESTS = CHUNKS + 2; // at the least a listing and a file
  const brokenBodies = [
    breakBodyAt(100),
    endBodyAt(csv('C0,F,bar,0').length),
    breakBodyAt(0),
    corruptBody(flip, crc32Header),
  ];
  const faults: Record<string, { rule: Rule; atLeast: number; settings?: { PREFETCH_BYTES: number } }> = {
    'requests are answered 500, 503 or 502, reset, or done without an answer': {
      rule: inTurn(
        () => true,
        [answer(500, 'InternalError'), answer(503, 'SlowDown'), reset, loseAnswer, badGateway],
      ),
      atLeast: 5 * REQUESTS,
    },
    'every request stalls at first': { rule: inTurn(() => true, [stall]), atLeast: REQUESTS },
    'bodies stall in the middle of what is streamed': {
      rule: inTurn(isChunk, [stallBodyAt(100)]),
      atLeast: CHUNKS,
      settings: { PREFETCH_BYTES: 1 },
    },
    'bodies stall, break off, end early without a length, or differ from their checksum': {
      rule: inTurn(isChunk, [stallBodyAt(100), ...brokenBodies]),
      atLeast: (1 + brokenBodies.length) * CHUNKS,
    },
    'bodies break off, end early, or are damaged in the middle of what is streamed': {
      rule: inTurn(isChunk, brokenBodies.slice(1)),
      atLeast: 3 * CHUNKS,
      settings: { PREFETCH_BYTES: 1 },
    },
    'listings are cut short, empty or slow': {
      rule: inTurn(isListing, [
        // two in a row: the second is what the end of the work would be decided by
        endBodyAt(0),
        endBodyAt(0),
        endBodyAt(700),
        delay(NO_PROGRESS_MS * 0.8),
      ]),
      atLeast: 4,
    },
  };

  /** It lists less often while it waits for the store. */
  const whileWaiting = { POLL_INTERVAL_MS: 500, FULL_LIST_MS: 2000 };
  for (const [what, { rule, atLeast, settings }] of Object.entries(faults)) {
    it(`comes to the same result though ${what}`, async () => {
      const expected = await undisturbed();
      proxy.rule = rule;
      await detectOnce({ ...whileWaiting, BATCH_ROWS: 12, GAP_TIMEOUT_MS: 60_000, ...settings }, { store });
      expect(proxy.injected).to.be.at.least(atLeast);
      expect(await results()).to.deep.equal(expected);
    });
  }

  it('waits while the store is away, says so once, and goes on when it is back', async () => {
    const expected = await undisturbed();
    let gone: Promise<void> | undefined;
    const detector = startDetector(
      { BATCH_ROWS: 12, GAP_TIMEOUT_MS: 60_000, FLUSH_AFTER_MS: 1000, PREFETCH_BYTES: 1 },
      { store, onApplied: ({ chunkNo }) => void (chunkNo === 4 && (gone = proxy.goAway())) },
    );
    await until('the trouble is said', () => Promise.resolve(count(detector.log, IN_TROUBLE) > 0));
    await gone;
    await sleep(2500);
    const applied = (await ledger()).length;
    expect(applied).to.be.within(4, CHUNKS - 1);
    expect(count(detector.log, WORKS_AGAIN)).to.equal(0);
    await proxy.comeBack();
    await untilApplied(CHUNKS);
    await until(
      'the last file is there',
      async () => Object.keys(await files()).length === Object.keys(expected.files).length,
    );
    await detector.stop();
    expect(await results()).to.deep.equal(expected);
    expect(count(detector.log, IN_TROUBLE)).to.equal(1);
    expect(count(detector.log, WORKS_AGAIN)).to.equal(1);
    expect(detector.log.filter(({ msg }) => /database/.test(msg))).to.deep.equal([]);
  });

  it('reads 16 objects ahead, all the time', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, index) => put(index + 1, csv(`C${index},F,shop,1`))));
    const asked = new Set<string>();
    proxy.rule = (request) => {
      if (isChunk(request)) asked.add(request.key);
      return request.key === chunkKey(20) ? stall : undefined;
    };
    const detector = startDetector({}, { store });
    await untilApplied(19);
    const isReadAhead = () => Promise.resolve(asked.has(chunkKey(35)));
    await until('the 15 behind the one that stalls are asked for', isReadAhead);
    await sleep(100);
    await detector.stop();
    expect(asked.size).to.equal(35);
  });

  it('closes a short batch also if every listing takes longer than the time between two', async () => {
    proxy.rule = (request) => (isListing(request) ? delay(100) : undefined);
    const detector = startDetector({ POLL_INTERVAL_MS: 20, FULL_LIST_MS: 600_000 }, { store });
    await put(1, children(1, 3));
    await until('the file is there', async () => (await files())[1]);
    await detector.stop();
  });

  it('goes on applying while a file is not taken', async () => {
    let puts = 0;
    proxy.rule = (request) => (isFilePut(request) && ++puts === 1 ? stall : undefined);
    const detector = startDetector({}, { store: patient });
    await put(1, children(1, 3));
    await until('the file is put', () => Promise.resolve(puts === 1));
    await put(2, csv('C9,F,shop,1'));
    await untilApplied(2);
    expect(puts).to.equal(1);
    await detector.stop();
  });

  it('lets a slow body take its time, as long as it moves', async () => {
    await put(1, csv(...Array.from({ length: 2000 }, (_, index) => `C${index},F,shop,1`)));
    let deliveries = 0;
    proxy.onDelivered = () => deliveries++;
    proxy.rule = (request) => (isChunk(request) ? dribble(25, NO_PROGRESS_MS / 5) : undefined);
    const begun = performance.now();
    const log = await detectOnce({}, { store });
    expect(performance.now() - begun).to.be.above(3 * NO_PROGRESS_MS);
    expect(proxy.injected).to.equal(1);
    expect(deliveries).to.be.above(0);
    expect(count(log, IN_TROUBLE)).to.equal(0);
    expect((await ledger()).map(({ row_count }) => row_count)).to.deep.equal([2000]);
  });

  it('ends at once when it is told to while the store stalls', async () => {
    await put(1, csv('C1,F,shop,1'));
    for (const method of ['LIST', 'GET']) {
      await proxy.reset();
      proxy.rule = (request) => (request.method === method ? stall : undefined);
      const detector = startDetector({}, { store: patient });
      await until('a request stalls', () => Promise.resolve(proxy.injected > 0));
      const begun = performance.now();
      await detector.stop();
      expect(performance.now() - begun, method).to.be.below(3000);
    }
  });

  describe('takes a listed object that is not there', () => {
    const isMissing = ({ method, key }: StoreRequest) => method === 'GET' && /chunk_5\.csv/.test(key);

    it('for a gap, and applies it in its place when it comes in time', async () => {
      const expected = await undisturbed();
      proxy.rule = (request) =>
        isMissing(request) && request.nth <= 6 ? answer(404, 'NoSuchKey') : undefined;
      const log = await detectOnce({ BATCH_ROWS: 12, GAP_TIMEOUT_MS: 60_000 }, { store });
      expect(proxy.injected).to.equal(6);
      expect(await results()).to.deep.equal(expected);
      expect(log.filter(({ msg }) => /passed over/.test(msg))).to.deep.equal([]);
    });

    it('for a gap that is passed over, and applies it as late when it comes', async () => {
      await undisturbed();
      let isThere = false;
      proxy.rule = (request) => (isMissing(request) && !isThere ? answer(404, 'NoSuchKey') : undefined);
      const detector = startDetector({ GAP_TIMEOUT_MS: 300 }, { store });
      await untilApplied(CHUNKS - 1);
      isThere = true;
      const chunks = await untilApplied(CHUNKS);
      await detector.stop();
      expect(proxy.injected).to.be.above(1);
      expect(chunks.at(-1)).to.deep.include({ object_number: 5, is_late: true, row_count: 42 });
      expect(chunks.filter(({ is_late }) => is_late)).to.have.length(1);
      expect(detector.log.filter(({ msg }) => /passed over/.test(msg))).to.have.length(1);
    });
  });

  it('reports an object that is replaced after it was applied, and does not apply it again', async () => {
    await put(1, csv('C1,F,shop,1'));
    const detector = startDetector({}, { store });
    await untilApplied(1);
    const before = await state();
    await put(1, csv('C1,F,shop,1', 'C1,F,shop,1'));
    const reported = () => detector.log.filter(({ msg }) => /was replaced/.test(msg)).map(({ key }) => key);
    await until('it is reported', () => Promise.resolve(reported().length > 0));
    await put(2, csv('C2,F,shop,1'));
    await untilApplied(2);
    await detector.stop();
    expect(reported()).to.deep.equal([chunkKey(1)]);
    expect((await state()).filter((row) => JSON.stringify(row).includes('"C1"'))).to.deep.equal(
      before.map((row) => row),
    );
  });

  describe('takes an object that is replaced while it is fetched', () => {
    const rows = (count: number, customer: string) =>
      csv(...Array<string>(count).fill(`${customer},F,shop,1`));
    const counts = async () => {
      const { rows } = await current.database.client.query<{
        customer_id: string;
        transaction_count: number;
      }>(
        'select customer_id, transaction_count::int from bankpulse.customer_merchant_stats order by customer_id',
      );
      return rows;
    };
    /** What was applied is what the ledger's ETag stands for. */
    const expectRightEtag = async () => {
      const { rows } = await current.database.client.query('select etag from bankpulse.chunks');
      expect(rows).to.deep.equal([{ etag: (await current.s3.store.getWhole(chunkKey(1)))!.etag }]);
    };

    it('as it became, when the first answer breaks off', async () => {
      for (const PREFETCH_BYTES of [1_000_000, 1]) {
        await proxy.reset();
        await put(1, rows(50, 'before'));
        proxy.rule = (request) =>
          isChunk(request) && request.nth === 1
            ? async (exchange) => {
                const first = await exchange.forward();
                await put(1, rows(60, 'after'));
                await breakBodyAt(400)({ ...exchange, forward: () => Promise.resolve(first) });
              }
            : undefined;
        await detectOnce({ PREFETCH_BYTES }, { store: patient });
        expect(proxy.injected).to.equal(1);
        expect(await counts()).to.deep.equal([{ customer_id: 'after', transaction_count: 60 }]);
        await expectRightEtag();
        await renewDatabase();
      }
    });

    it('as it became, when it is read a second time, the careful way', async () => {
      await put(1, csv('before,F,shop,1', '"before",F,shop,1'));
      proxy.rule = (request) =>
        isChunk(request) && request.nth === 2
          ? async (exchange) => {
              await put(1, rows(3, 'after'));
              await exchange.relay(await exchange.forward());
            }
          : undefined;
      await detectOnce({ PREFETCH_BYTES: 1 }, { store: patient });
      expect(proxy.injected).to.equal(1);
      expect(await counts()).to.deep.equal([{ customer_id: 'after', transaction_count: 3 }]);
      await expectRightEtag();
    });

    it('by a much larger one: it is not read into memory, and applied as it became', async () => {
      const large = rows(50_000, 'after');
      await put(1, rows(1, 'before'));
      let gets = 0;
      proxy.rule = (request) =>
        isChunk(request) && ++gets === 1
          ? async (exchange) => {
              await put(1, large);
              await exchange.relay(await exchange.forward());
            }
          : undefined;
      const log = await detectOnce({ PREFETCH_BYTES: 1000, GAP_TIMEOUT_MS: 60_000 }, { store: patient });
      expect(proxy.injected).to.equal(1);
      expect(await counts()).to.deep.equal([{ customer_id: 'after', transaction_count: 50_000 }]);
      expect(count(log, IN_TROUBLE)).to.equal(0);
      // once to see that it is large, then as a stream; once more, if a listing has shown the other ETag meanwhile
      expect(gets).to.be.within(2, 3);
    });
  });

  it('writes each file once with the same bytes, though its answers are lost and the store wants it slower', async () => {
    const expected = await undisturbed();
    const bodies = new Map<string, Set<unknown>>();
    const noted =
      (fault: Fault): Fault =>
      (exchange) => {
        const hashes = bodies.get(exchange.key) ?? new Set();
        bodies.set(exchange.key, hashes.add(exchange.req.headers['x-amz-content-sha256']));
        return fault(exchange);
      };
    proxy.rule = (request) =>
      isFilePut(request) && request.nth <= 4
        ? noted(request.nth % 2 ? answer(503, 'SlowDown') : loseAnswer)
        : undefined;
    await detectOnce({ ...whileWaiting, BATCH_ROWS: 12 }, { store });
    for (const hashes of bodies.values()) {
      expect([...hashes]).to.have.length(1);
      expect([...hashes].join()).to.match(/^[0-9a-f]{64}$/);
    }
    expect(proxy.injected).to.equal(4 * Object.keys(expected.files).length);
    expect(await results()).to.deep.equal(expected);
  });

  describe('as a command', () => {
    const environment = (): Record<string, string> => ({
      ...current.environment(),
      AWS_ENDPOINT_URL_S3: proxy.endpoint,
      POLL_INTERVAL_MS: '20',
    });

    for (const [what, code, status, line] of [
      [
        'access is denied',
        'AccessDenied',
        403,
        /access to bucket .* is denied \(AccessDenied.*check the credentials/,
      ],
      ['the bucket is gone', 'NoSuchBucket', 404, /there is no bucket .*create it/],
    ] as const) {
      it(`ends with 1 and one line when ${what} while it works`, async () => {
        await put(1, csv('C1,F,shop,1'));
        const running = run(['detect'], environment());
        await untilApplied(1);
        proxy.rule = () => answer(status, code);
        const ended = await running;
        expect(ended.code).to.equal(1);
        const refusals = ended.stderr.split('\n').filter((text) => text !== '' && !text.startsWith('{'));
        expect(refusals).to.have.length(1);
        expect(refusals[0]).to.match(line);
        expect(refusals[0]).not.to.include(current.s3.credentials.secretAccessKey);
      });
    }
  });
});

/** As AWS tells it of objects that were put by an SDK: what came before the damage. */
function crc32Header(content: Buffer): object {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(content));
  return { 'x-amz-checksum-crc32': checksum.toString('base64') };
}
