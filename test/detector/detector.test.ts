import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import pino, { type Logger } from 'pino';
import type { DetectorSettings } from '../../src/config.js';
import { connect } from '../../src/database.js';
import { detect, type DetectorOptions } from '../../src/detector/detector.js';
import { UserError } from '../../src/errors.js';
import { SqlFunctions } from '../../src/sql-functions.js';
import { createTestDatabase, dropTestDatabase, type TestDatabase } from '../support/database.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const HEADER = 'customer,gender,merchant,amount';
const csv = (...rows: string[]) => [HEADER, ...rows].map((row) => `${row}\n`).join('');
/** Makes that many detections, of new customers, where two cheap transactions make a CHILD. */
const children = (chunk: number | string, count: number) =>
  csv(
    ...Array.from({ length: count }, (_, index) =>
      `C${chunk}-${String(index).padStart(3, '0')},F,shop,1`.concat('\n').repeat(2).trimEnd(),
    ),
  );

interface Chunk {
  object_key: string;
  object_number: number;
  chunk_no: number | null;
  status: string;
  row_count: number;
  rejected_count: number;
  is_late: boolean;
  error: string | null;
}

interface LogLine {
  msg: string;
  key?: string;
  missing?: string;
}

/** A mechanism Y at work in this process. */
interface RunningDetector {
  log: LogLine[];
  /** As its first SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

describe('detect', function () {
  this.timeout(60_000);
  let s3: TestObjectStore;
  let folder: string;
  let database: TestDatabase;
  let prefix: string; // of the test at hand
  let importanceCsv: string;
  const running = new Set<RunningDetector>();
  let testCount = 0;

  before(async () => {
    s3 = await testObjectStore();
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  beforeEach(async () => {
    prefix = `test-${++testCount}/`;
    database = await newDatabase();
    importanceCsv = join(folder, `importance-${testCount}.csv`);
    await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
  });
  afterEach(async () => {
    await Promise.allSettled([...running].map((detector) => detector.stop()));
    await dropTestDatabase(database);
  });

  /** With thresholds that small chunks reach. */
  async function newDatabase(): Promise<TestDatabase> {
    const made = await createTestDatabase('empty');
    await setThresholds(made, 'PatId1', { merchant_transactions_above: 20 });
    await setThresholds(made, 'PatId2', { transactions_from: 2 });
    await setThresholds(made, 'PatId3', { female_customers_above: 2 });
    return made;
  }

  async function setThresholds({ client }: TestDatabase, pattern: string, thresholds: object): Promise<void> {
    await client.query('update bankpulse.patterns set thresholds = thresholds || $2 where pattern_id = $1', [
      pattern,
      thresholds,
    ]);
  }

  const chunkKey = (name: number | string) =>
    `${prefix}chunks/${typeof name === 'number' ? `chunk_${name}.csv` : name}`;

  async function put(name: number | string, content: string | Buffer): Promise<void> {
    await s3.store.put(chunkKey(name), content, 'text/csv');
  }

  function optionsOf(settings: Partial<DetectorSettings>, log: Logger, signal: AbortSignal): DetectorOptions {
    return {
      config: database.config,
      store: s3.store,
      settings: {
        IMPORTANCE_CSV: importanceCsv,
        BATCH_ROWS: 50,
        FLUSH_AFTER_MS: 200,
        POLL_INTERVAL_MS: 20,
        FULL_LIST_MS: 200,
        GAP_TIMEOUT_MS: 300,
        MAX_CHUNK_BYTES: 1_000_000,
        PREFETCH_BYTES: 1_000_000,
        CHUNKS_PREFIX: `${prefix}chunks/`,
        DETECTIONS_PREFIX: `${prefix}detections/`,
        ...settings,
      },
      log,
      signal,
      isInputOver: () => false,
    };
  }

  function logInto(lines: LogLine[]): Logger {
    return pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) });
  }

  /** As `npm run detect -- --once`. */
  async function detectOnce(
    settings: Partial<DetectorSettings> = {},
    options: Partial<DetectorOptions> = {},
  ): Promise<LogLine[]> {
    const log: LogLine[] = [];
    const given = optionsOf(settings, logInto(log), new AbortController().signal);
    await detect({ ...given, isInputOver: () => true, ...options });
    return log;
  }

  /** As `npm run detect`. What it fails with is thrown by `stop`. */
  function startDetector(
    settings: Partial<DetectorSettings> = {},
    options: Partial<DetectorOptions> = {},
  ): RunningDetector {
    const log: LogLine[] = [];
    const controller = new AbortController();
    const ended = detect({ ...optionsOf(settings, logInto(log), controller.signal), ...options });
    ended.catch(() => undefined);
    const detector = {
      log,
      async stop() {
        running.delete(detector);
        controller.abort();
        await ended;
      },
    };
    running.add(detector);
    return detector;
  }

  /** Waits until `find` finds something. */
  async function until<Found>(what: string, find: () => Promise<Found | undefined | false>): Promise<Found> {
    const deadline = performance.now() + 30_000;
    for (;;) {
      const found = await find();
      if (found !== undefined && found !== false) return found;
      if (performance.now() > deadline) expect.fail(`waited in vain until ${what}`);
      await sleep(20);
    }
  }

  async function ledger({ client } = database): Promise<Chunk[]> {
    const { rows } = await client.query<Chunk>(
      `select object_key, object_number::int, chunk_no::int, status, row_count::int, rejected_count::int, is_late, error
       from bankpulse.chunks order by chunk_no, object_key`,
    );
    return rows.map((row) => ({ ...row, object_key: row.object_key.replace(`${prefix}chunks/`, '') }));
  }

  const untilApplied = (count: number) =>
    until(`${count} chunks are applied`, async () => {
      const applied = (await ledger()).filter(({ status }) => status === 'applied');
      return applied.length >= count && applied;
    });

  async function detections({ client } = database): Promise<string[]> {
    const { rows } = await client.query<{ detection: string }>(
      `select concat_ws(' ', pattern_id, merchant_id, customer_id, chunk_no) as detection
       from bankpulse.detections order by detection_id`,
    );
    return rows.map(({ detection }) => detection);
  }

  async function state({ client } = database): Promise<unknown[]> {
    const { rows } = await client.query<object>(
      `select to_jsonb(stats) as state
       from bankpulse.customer_merchant_stats as stats
       order by stats.merchant_id, stats.customer_id`,
    );
    return rows;
  }

  /** The detection files of this test, by their number. */
  async function files(): Promise<Record<number, string>> {
    const found: Record<number, string> = {};
    for await (const { key } of s3.store.list(`${prefix}detections/`)) {
      const number = /\/detections-(\d{8})\.csv$/.exec(key)?.[1] ?? expect.fail(`a file is called ${key}`);
      found[Number(number)] = (await s3.store.getWhole(key))!.content.toString();
    }
    return found;
  }

  /** The rows of files, without header and times. */
  const rowsOf = (content: string | undefined) => {
    const [, ...rows] = parse(content ?? '');
    return rows.map(([, , pattern, action, customer, merchant]) =>
      [pattern, action, customer, merchant].join(' '),
    );
  };

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

  describe('an object', () => {
    it('whose content is unusable is quarantined with the reason, and the others are applied', async () => {
      const packed = gzipSync(children(9, 1));
      const bad: Record<string, [content: string | Buffer, reason: RegExp]> = {
        'chunk_1.csv': ['', /empty/],
        'chunk_3.csv': ['customer,gender,amount\nC1,F,1\n', /no column "merchant"/],
        'chunk_4.csv': ['customer,gender,merchant,amount,Amount\nC1,F,shop,1,1\n', /column "amount" twice/],
        'chunk_5.csv': [csv('C1,F,"shop,1', 'C2,F,shop,1'), /line 2 .*never closed/],
        'chunk_6.csv.gz': [csv('C1,F,shop,1'), /gzip data is broken/],
        'chunk_7.csv.gz': [packed.subarray(0, packed.length - 10), /gzip data is broken/],
        'chunk_8.csv': [csv('C1,F,shop,1'.repeat(200)), /larger than 1000 bytes/],
        'chunk_9.csv.gz': [
          gzipSync(csv(...Array<string>(200).fill('C1,F,shop,1'))),
          /larger than 1000 bytes/,
        ],
        'chunk_10.csv.gz': [gzipSync(''), /empty/],
      };
      await put(2, csv('C1,F,shop,1'));
      await put('chunk_11.csv.gz', gzipSync(csv('C2,F,shop,1')));
      await put(12, csv());
      for (const [name, [content]] of Object.entries(bad)) await put(name, content);
      await detectOnce({ MAX_CHUNK_BYTES: 1000 });
      const chunks = await ledger();
      for (const [name, [, reason]] of Object.entries(bad)) {
        const { status, error } =
          chunks.find(({ object_key }) => object_key === name) ?? expect.fail(`${name} is lost`);
        expect(status, name).to.equal('quarantined');
        expect(error, name).to.match(reason);
      }
      expect(
        chunks
          .filter(({ status }) => status === 'applied')
          .map(({ object_key, row_count, is_late }) => [object_key, row_count, is_late]),
      ).to.deep.equal([
        ['chunk_2.csv', 1, false],
        ['chunk_11.csv.gz', 1, false],
        ['chunk_12.csv', 0, false],
      ]);
    });

    it('whose number is taken is quarantined, together with it or later', async () => {
      await put('chunk-00000001.csv', csv('C1,F,shop,1'));
      await put(1, csv('C2,F,shop,1'));
      await detectOnce();
      await put('other-1.csv', csv('C3,F,shop,1'));
      await detectOnce();
      const chunks = await ledger();
      expect(chunks.map(({ object_key, status }) => [object_key, status])).to.deep.equal([
        ['chunk-00000001.csv', 'applied'],
        ['chunk_1.csv', 'quarantined'],
        ['other-1.csv', 'quarantined'],
      ]);
      expect(chunks[1]!.error).to.match(/number 1 /);
      expect(await state()).to.have.length(1);
    });

    it('in quarantine is left alone until it is retried, even if it is mended', async () => {
      await put(1, 'customer\n');
      await put(2, csv('C2,F,shop,1'));
      const detector = startDetector();
      await untilApplied(1);
      await put(1, csv('C1,F,shop,1'));
      await put(3, csv('C3,F,shop,1'));
      await untilApplied(2);
      const functions = new SqlFunctions(database.client);
      expect(await functions.retryQuarantinedChunk(chunkKey(1))).to.equal(true);
      const chunks = await untilApplied(3);
      await detector.stop();
      expect(chunks.map(({ object_number, is_late }) => [object_number, is_late])).to.deep.equal([
        [2, false],
        [3, false],
        [1, true],
      ]);
      expect(await functions.retryQuarantinedChunk(chunkKey(1))).to.equal(false);
    });

    it('without a usable number is reported once and ignored, one that is no CSV file ignored', async () => {
      await put(1, csv());
      await put('readme.csv', csv('C1,F,shop,1'));
      await put(`chunk_${'1'.repeat(19)}.csv`, csv('C1,F,shop,1'));
      await put('chunk_2.txt', csv('C1,F,shop,1'));
      const log = await detectOnce();
      const reported = log.filter(({ msg }) => /no usable number/.test(msg)).map(({ key }) => key);
      expect(reported).to.have.members([chunkKey('readme.csv'), chunkKey(`chunk_${'1'.repeat(19)}.csv`)]);
      expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1]);
      expect(await state()).to.deep.equal([]);
    });

    it('that was applied and then replaced is reported, and not applied again', async () => {
      await put(1, csv('C1,F,shop,1'));
      await detectOnce();
      const before = await state();
      await put(1, csv('C1,F,shop,1', 'C1,F,shop,1'));
      const log = await detectOnce();
      expect(log.filter(({ msg, key }) => /replaced/.test(msg) && key === chunkKey(1))).to.have.length(1);
      expect(await state()).to.deep.equal(before);
    });

    it('that is gone after it was applied changes nothing', async () => {
      await put(1, csv('C1,F,shop,1'));
      await detectOnce();
      await s3.client.send(new DeleteObjectCommand({ Bucket: s3.store.bucket, Key: chunkKey(1) }));
      await put(2, csv('C2,F,shop,1'));
      await detectOnce();
      expect((await ledger()).map(({ chunk_no }) => chunk_no)).to.deep.equal([1, 2]);
    });

    it('with rejected rows counts each row once, as accepted or as rejected', async () => {
      await put(1, csv('C1,F,shop,1', 'C2,F,shop,x', '', ',F,shop,1', '"C\n3",F,shop,1', 'C4'));
      await detectOnce();
      expect(
        (await ledger()).map(({ row_count, rejected_count }) => [row_count, rejected_count]),
      ).to.deep.equal([[2, 3]]);
      const { rows } = await database.client.query<{ line_number: string }>(
        'select line_number from bankpulse.rejected_rows where object_key = $1 order by line_number',
        [chunkKey(1)],
      );
      expect(rows.map(({ line_number }) => Number(line_number))).to.deep.equal([3, 5, 8]);
    });

    it('too large to be read ahead is streamed, with the same result', async () => {
      const rows = Array.from({ length: 400 }, (_, index) => `C${index % 7},F,shop,${index}.5`);
      const shapes: Record<string, string | Buffer> = {
        'chunk_1.csv': csv(...rows),
        'chunk_2.csv': csv(...rows, '"C8",F,shop,1', 'C9,F,shop,x'), // begun straight, then taken carefully
        'chunk_3.csv.gz': gzipSync(csv(...rows, '"C8",F,shop,1')),
        'chunk_4.csv': csv(...rows, 'C1,"F,shop,1'),
        'chunk_5.csv': csv(...rows),
      };
      for (const [name, content] of Object.entries(shapes)) await put(name, content);
      await detectOnce();
      const prefetched = { chunks: await ledger(), state: await state(), detections: await detections() };
      await dropTestDatabase(database);
      database = await newDatabase();
      await detectOnce({ PREFETCH_BYTES: 10 });
      expect({ chunks: await ledger(), state: await state(), detections: await detections() }).to.deep.equal(
        prefetched,
      );
      expect(prefetched.chunks.map(({ status }) => status)).to.deep.equal([
        ...Array<string>(4).fill('applied'),
        'quarantined',
      ]);
    });
  });

  describe('a file of detections', () => {
    it('has BATCH_ROWS of them in detection order, the last one fewer', async () => {
      await put(1, children(1, 3));
      await put(2, children(2, 9));
      await put(
        3,
        csv('m1,M,shop,1', 'm2,M,shop,1', 'm3,M,bar,1', ...['a', 'b', 'c'].map((name) => `${name},F,bar,1`)),
      );
      await put(4, csv(...['d', 'e', 'f', 'g'].map((name) => `${name},M,bar,1`)));
      await detectOnce({ BATCH_ROWS: 5 });
      const found = await files();
      expect(Object.values(found).flatMap(rowsOf)).to.deep.equal([
        ...['000', '001', '002'].map((number) => `PatId2 CHILD C1-${number} shop`),
        ...Array.from({ length: 9 }, (_, index) => `PatId2 CHILD C2-00${index} shop`),
        'PatId3 DEI-NEEDED  bar',
      ]);
      expect(
        Object.entries(found).map(([number, text]) => [Number(number), rowsOf(text).length]),
      ).to.deep.equal([
        [1, 5],
        [2, 5],
        [3, 3],
      ]);
      const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30`;
      expect(found[3]).to.match(
        new RegExp(
          '^YStartTime,detectionTime,patternId,ActionType,customerName,MerchantId\n' +
            `(${time},${time},PatId2,CHILD,C2-00[78],shop\n){2}${time},${time},PatId3,DEI-NEEDED,,bar\n$`,
        ),
      );
    });

    it('is closed short when nothing has come for a while, and never extended', async () => {
      const detector = startDetector({ BATCH_ROWS: 5 });
      await put(1, children(1, 3));
      const first = await until('the first file is there', async () => (await files())[1]);
      await put(2, children(2, 2));
      await until('the second file is there', async () => (await files())[2]);
      await detector.stop();
      const found = await files();
      expect(found[1]).to.equal(first);
      expect(Object.values(found).map((text) => rowsOf(text).length)).to.deep.equal([3, 2]);
    });

    it('is not closed short while a gap is waited for', async () => {
      await put(1, children(1, 1));
      await put(3, children(3, 1));
      const detector = startDetector({ GAP_TIMEOUT_MS: 60_000, FLUSH_AFTER_MS: 0 });
      await untilApplied(1);
      await sleep(200);
      expect(await files()).to.deep.equal({});
      await put(2, children(2, 1));
      await until('a file is there', async () => (await files())[1]);
      await detector.stop();
      expect(rowsOf((await files())[1])).to.have.length(3);
    });

    it('is closed short when mechanism Y is told to end', async () => {
      await put(1, children(1, 3));
      const detector = startDetector({ FLUSH_AFTER_MS: 60_000 });
      await untilApplied(1);
      expect(await files()).to.deep.equal({});
      await detector.stop();
      expect(rowsOf((await files())[1])).to.have.length(3);
    });

    it('that was not known to be written is written again, the same', async () => {
      await put(1, children(1, 12));
      await detectOnce({ BATCH_ROWS: 5 });
      const before = await files();
      await database.client.query(
        'update bankpulse.detection_batches set exported_at = null where batch_no = 2',
      );
      await s3.store.put(`${prefix}detections/detections-00000002.csv`, 'half', 'text/csv');
      await detectOnce({ BATCH_ROWS: 7 });
      expect(await files()).to.deep.equal(before);
      const { rows } = await database.client.query(
        'select from bankpulse.detection_batches where exported_at is null',
      );
      expect(rows).to.have.length(0);
    });
  });

  describe('the same result', () => {
    const CHUNKS = 20;
    let undisturbed: {
      chunks: Chunk[];
      detections: string[];
      state: unknown[];
      files: Record<number, string[]>;
    };

    const results = async () => ({
      chunks: await ledger(),
      detections: await detections(),
      state: await state(),
      files: Object.fromEntries(
        Object.entries(await files()).map(([number, text]) => [number, rowsOf(text)]),
      ),
    });

    /** Customers come again in other chunks; all three patterns fire, in chunks here and there. */
    beforeEach(async () => {
      await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,1\nC2,shop,2\nC3,shop,3\n');
      for (let chunk = 1; chunk <= CHUNKS; chunk++) {
        const rows = Array.from({ length: 10 }, (_, index) => {
          const customer = (chunk * index * 7) % 31;
          return `C${customer},${customer % 3 === 0 ? 'F' : 'M'},${index % 4 ? 'shop' : 'bar'},${(chunk * index) % 50}`;
        });
        await put(chunk, csv(...rows, `C1,F,shop,${chunk}`, `C1,F,shop,${chunk}`));
      }
      await detectOnce({ BATCH_ROWS: 5 });
      undisturbed = await results();
      for (const pattern of ['PatId1', 'PatId2', 'PatId3'])
        expect(undisturbed.detections.join()).to.include(pattern);
      await dropTestDatabase(database);
      database = await newDatabase();
      for (const number of Object.keys(undisturbed.files)) {
        const Key = `${prefix}detections/detections-${number.padStart(8, '0')}.csv`;
        await s3.client.send(new DeleteObjectCommand({ Bucket: s3.store.bucket, Key }));
      }
    });

    it('comes of any number of restarts; only batches closed at the end of each are shorter', async () => {
      for (const count of [1, 3, 7]) {
        const controller = new AbortController();
        let applied = 0;
        await detectOnce(
          { BATCH_ROWS: 5 },
          {
            signal: controller.signal,
            isInputOver: () => false,
            onApplied: () => {
              if (++applied === count) controller.abort();
            },
          },
        );
      }
      await detectOnce({ BATCH_ROWS: 5 });
      const found = await results();
      expect({ ...found, files: Object.values(found.files).flat() }).to.deep.equal({
        ...undisturbed,
        files: Object.values(undisturbed.files).flat(),
      });
      for (const rows of Object.values(found.files)) expect(rows.length).to.be.within(1, 5);
    });

    it('comes of database sessions that are cut off in the middle', async () => {
      const cut = async () => {
        await database.client.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
          [database.name],
        );
      };
      let applied = 0;
      let cuts = Promise.resolve();
      const log = await detectOnce(
        { BATCH_ROWS: 5 },
        {
          onApplied: () => {
            if (++applied % 6 === 0) cuts = cuts.then(cut);
          },
        },
      );
      await cuts;
      expect(log.filter(({ msg }) => /in trouble/.test(msg))).not.to.deep.equal([]);
      expect(await results()).to.deep.equal(undisturbed);
    });
  });

  describe('two at a time', () => {
    it('one works and the other stands by; it takes over when the first ends', async () => {
      await put(1, children(1, 1));
      const first = startDetector();
      await untilApplied(1);
      const second = startDetector();
      await until('the second stands by', () =>
        Promise.resolve(second.log.some(({ msg }) => /standing by/.test(msg))),
      );
      await put(2, children(2, 1));
      await untilApplied(2);
      await first.stop();
      await put(3, children(3, 1));
      await untilApplied(3);
      await second.stop();
      const { rows } = await database.client.query<{ run_id: string }>(
        'select run_id from bankpulse.chunks order by chunk_no',
      );
      expect(rows.map(({ run_id }) => Number(run_id))).to.deep.equal([1, 1, 2]);
      expect(await detections()).to.have.length(3);
    });

    it('one that is to end with the input waits for its turn, then ends', async () => {
      await put(1, children(1, 1));
      const first = startDetector();
      await untilApplied(1);
      const log: LogLine[] = [];
      const second = detect({
        ...optionsOf({}, logInto(log), new AbortController().signal),
        isInputOver: () => true,
      });
      await until('the second stands by', () =>
        Promise.resolve(log.some(({ msg }) => /standing by/.test(msg))),
      );
      await first.stop();
      await second;
      expect(await ledger()).to.have.length(1);
    });

    it('one whose lease was taken stops applying', async () => {
      const detector = startDetector({ FLUSH_AFTER_MS: 60_000 });
      await put(1, children(1, 1));
      await untilApplied(1);
      // as another mechanism Y would, if this one's session were dead and its lock gone
      const functions = new SqlFunctions(database.client);
      const runId = await functions.registerRun();
      await database.client.query('update bankpulse.pipeline_lease set run_id = $1', [runId]);
      await put(2, children(2, 1));
      await until('it says so', () =>
        Promise.resolve(detector.log.some(({ msg }) => /has taken over/.test(msg))),
      );
      await detector.stop();
    });
  });

  describe('the rules', () => {
    it('may change between chunks: what then matches is detected with the next one', async () => {
      await setThresholds(database, 'PatId2', { transactions_from: 3 });
      await put(1, csv(...Array<string>(2).fill('C1,F,shop,1')));
      await detectOnce();
      expect(await detections()).to.deep.equal([]);
      await setThresholds(database, 'PatId2', { transactions_from: 2 });
      await put(2, csv('C2,F,bar,1'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId2 shop C1 2']);
      await setThresholds(database, 'PatId2', { transactions_from: 9 });
      await put(3, csv('C2,F,bar,1'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId2 shop C1 2']);
    });
  });

  describe('importance', () => {
    const weights = async () => {
      const { rows } = await database.client.query<{ weight: string }>(
        `select concat_ws(' ', merchant_id, customer_id, average_weight::float8) as weight
         from bankpulse.customer_weights order by merchant_id, customer_id`,
      );
      return rows.map(({ weight }) => weight);
    };
    const loads = (log: LogLine[]) => log.filter(({ msg }) => msg === 'importance loaded').length;

    it('is loaded once, and again when the file has changed', async () => {
      await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,1\nC1,shop,2\nC2,shop,3\n');
      expect(loads(await detectOnce())).to.equal(1);
      expect(await weights()).to.deep.equal(['shop C1 1.5', 'shop C2 3']);
      expect(loads(await detectOnce())).to.equal(0);
      await writeFile(importanceCsv, 'Weight,Target,Source\n7,shop,C3\n');
      expect(loads(await detectOnce())).to.equal(1);
      expect(await weights()).to.deep.equal(['shop C3 7']);
    });

    it('may be packed, and is then the same file', async () => {
      await detectOnce();
      const packed = `${importanceCsv}.gz`;
      await writeFile(packed, gzipSync('Source,Target,Weight\nC1,shop,1\n'));
      expect(loads(await detectOnce({ IMPORTANCE_CSV: packed }))).to.equal(0);
    });

    it('that changes makes what it uncovers a detection with the next chunk', async () => {
      await writeFile(importanceCsv, 'Source,Target,Weight\nother,shop,1\n');
      await put(1, csv(...Array<string>(30).fill('C1,F,shop,100'), 'C2,F,shop,100'));
      await detectOnce();
      expect(await detections()).to.deep.equal([]);
      await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
      await put(2, csv('C3,F,bar,100'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId1 shop C1 2']);
    });

    it('that is missing stops mechanism Y before the first load, and is only said afterwards', async () => {
      await put(1, csv('C1,F,shop,1'));
      const error: unknown = await detectOnce({ IMPORTANCE_CSV: join(folder, 'none.csv') }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(UserError);
      expect((error as UserError).message).to.match(/IMPORTANCE_CSV .*none\.csv.* does not exist/);
      expect(await ledger()).to.deep.equal([]);
      await detectOnce();
      const log = await detectOnce({ IMPORTANCE_CSV: join(folder, 'none.csv') });
      expect(log.filter(({ msg }) => /does not exist/.test(msg))).to.have.length(1);
      expect(await weights()).to.deep.equal(['shop C1 1']);
    });

    it('that is unusable stops mechanism Y in one line that names the file', async () => {
      for (const [content, reason] of [
        ['', /empty/],
        ['Source,Weight\n', /no column "target"/],
        ['Source,Target,Weight\n"C1,shop,1\n', /never closed/],
      ] as const) {
        await writeFile(importanceCsv, content);
        const error: unknown = await detectOnce().catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(UserError);
        const { message } = error as UserError;
        expect(message).to.match(reason).and.to.include(importanceCsv).and.not.to.include('\n');
      }
    });

    it('has its rejected rows recorded under the name of the file, and those of an earlier file removed', async () => {
      const rejected = async () => {
        const { rows } = await database.client.query(
          'select object_key, line_number::int from bankpulse.rejected_rows',
        );
        return rows as unknown[];
      };
      await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,x\nC2,shop,1\n,shop,1\n');
      await detectOnce();
      const object_key = `importance-${testCount}.csv`;
      expect(await rejected()).to.have.deep.members([
        { object_key, line_number: 2 },
        { object_key, line_number: 4 },
      ]);
      await writeFile(importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
      await detectOnce();
      expect(await rejected()).to.deep.equal([]);
    });
  });

  it('notes what its last listing saw, and its end', async () => {
    await put(1, csv());
    await put(3, csv());
    const detector = startDetector({ GAP_TIMEOUT_MS: 60_000 });
    const run = async () =>
      (
        await database.client.query<{
          pending_count: string;
          oldest_pending_at: Date;
          ended_at: Date | null;
        }>('select pending_count, oldest_pending_at, ended_at from bankpulse.runs')
      ).rows[0];
    await until('one object is noted as waiting', async () => (await run())?.pending_count === '1');
    expect((await run())!.oldest_pending_at).to.be.instanceOf(Date);
    await detector.stop();
    expect((await run())!.ended_at).to.be.instanceOf(Date);
  });

  it('gives Node no reason for warnings, however many objects wait', async () => {
    const warnings: string[] = [];
    const collect = ({ message }: Error) => warnings.push(message);
    process.on('warning', collect);
    try {
      await Promise.all(Array.from({ length: 40 }, (_, index) => put(index + 1, csv())));
      await detectOnce();
    } finally {
      process.off('warning', collect);
    }
    expect(warnings).to.deep.equal([]);
  });

  it('leaves no session behind', async () => {
    await put(1, csv('C1,F,shop,1'));
    await detectOnce();
    const other = await connect(database.config);
    try {
      await until('its sessions are gone', async () => {
        const { rows } = await other.query(
          'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        );
        return rows.length === 1; // the test's own
      });
    } finally {
      await other.end();
    }
  });
});
