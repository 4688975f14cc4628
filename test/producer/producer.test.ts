import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import fc from 'fast-check';
import pino from 'pino';
import type { ProducerSettings } from '../../src/config.js';
import { UserError } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { logInto, type LogLine } from '../support/detector.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import { produce, type ProducerOptions, type ProducerSummary } from '../../src/producer/producer.js';
import { CsvFile } from '../../src/csv/csv-file.js';
import { PAGE } from '../support/dose.js';
import { FaultProxy, answer } from '../support/fault-proxy.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const HEADER = 'step,customer,gender,merchant,amount';
const row = (number: number) => `${number},'C${number % 7}','F','M${number % 3}',${number}.50`;
const rows = (count: number) => Array.from({ length: count }, (_, index) => row(index + 1));
const fileOf = (lines: readonly string[], end = '\n') =>
  [HEADER, ...lines].map((line) => line + end).join('');

/** The chunks these rows make: key to content. */
function chunksOf(lines: readonly string[], chunkRows: number): Record<string, string> {
  const chunks: Record<string, string> = {};
  for (let at = 0, number = 1; at < lines.length; at += chunkRows, number++) {
    chunks[`chunks/chunk-${String(number).padStart(8, '0')}.csv`] = fileOf(lines.slice(at, at + chunkRows));
  }
  return chunks;
}

describe('produce', () => {
  let folder: string;
  let test: TestObjectStore;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    test = await testObjectStore();
  });

  async function source(content: string | Buffer, name = 'transactions.csv'): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  }

  function run(
    path: string,
    settings: Partial<ProducerSettings> = {},
    options: Partial<ProducerOptions> = {},
  ): Promise<ProducerSummary> {
    return produce({
      store: test.store,
      settings: {
        TRANSACTIONS_CSV: path,
        CHUNK_ROWS: 10,
        CHUNK_INTERVAL_MS: 0,
        CHUNKS_PREFIX: 'chunks/',
        ...settings,
      },
      log: createLog('silent'),
      ...options,
    });
  }

  async function bucket(): Promise<Record<string, string>> {
    const objects: Record<string, string> = {};
    for await (const { key } of test.store.list('chunks/')) {
      objects[key] = (await test.store.getWhole(key))?.content.toString() ?? '';
    }
    return objects;
  }

  const remove = (key: string) =>
    test.client.send(new DeleteObjectCommand({ Bucket: test.store.bucket, Key: key }));

  async function refusal(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.then(
      () => expect.fail('it was not refused'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(UserError);
    const { message } = error as UserError;
    expect(message).not.to.match(/\n/);
    return message;
  }

  it('cuts the file into chunks with a header each', async () => {
    const lines = rows(35);
    const summary = await run(await source(fileOf(lines)));
    expect(summary).to.deep.equal({ chunks: 4, rows: 35, uploaded: 4, skipped: 0 });
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
  });

  it('makes the same chunks of plain and gzip, of LF and CRLF, with byte order mark and empty lines', async () => {
    const lines = rows(25);
    const variants = [
      await source(fileOf(lines)),
      await source(`\ufeff${fileOf(lines, '\r\n')}`.replace(row(7), `\r\n\n${row(7)}`), 'other.csv'),
      await source(fileOf(lines).trimEnd(), 'open-end.csv'),
      await source(gzipSync(fileOf(lines)), 'plain.csv.gz'),
    ];
    for (const [index, path] of variants.entries()) {
      const prefix = `chunks/${index}/`;
      await run(path, { CHUNKS_PREFIX: prefix });
      const chunks = Object.entries(await bucket()).filter(([key]) => key.startsWith(prefix));
      expect(
        Object.fromEntries(chunks.map(([key, text]) => [key.replace(prefix, 'chunks/'), text])),
      ).to.deep.equal(chunksOf(lines, 10));
    }
  });

  it('knows a source by its content: the gzip file goes on where the plain one ended', async () => {
    const lines = rows(25);
    await run(await source(fileOf(lines)));
    await remove('chunks/chunk-00000003.csv');
    const summary = await run(await source(gzipSync(fileOf(lines)), 'same.csv.gz'));
    expect(summary).to.deep.equal({ chunks: 3, rows: 25, uploaded: 1, skipped: 2 });
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
  });

  it('keeps line breaks inside quotes as they are, also where chunks are cut', async () => {
    const lines = rows(6).map((line, index) => `${line},"a\r\nb""${index}\n"`);
    await run(await source(fileOf(lines, '\r\n')), { CHUNK_ROWS: 1 });
    expect(await bucket()).to.deep.equal(chunksOf(lines, 1));
  });

  it('goes on after it was ended at any time', async () => {
    const lines = rows(195);
    const path = await source(fileOf(lines));
    for (const after of [1, 3]) {
      const controller = new AbortController();
      let written = 0;
      const onChunk = () => void (++written === after && controller.abort());
      const log: LogLine[] = [];
      const summary = await run(
        path,
        { CHUNK_INTERVAL_MS: after - 1 },
        { signal: controller.signal, onChunk, log: logInto(log) },
      );
      expect(summary.chunks).to.be.lessThan(20);
      expect(log.at(-1)).to.include({ chunks: summary.chunks, of: 20 });
      expect(log.at(-1)?.msg).to.match(/^mechanism X was stopped .*; started again, it goes on with/);
    }
    const before = Object.keys(await bucket()).length;
    expect(before).to.be.within(4, 19);
    const summary = await run(path);
    // what it was putting when it was ended may be there a moment later
    const { uploaded, skipped, ...read } = summary;
    expect(read).to.deep.equal({ chunks: 20, rows: 195 });
    expect(uploaded + skipped).to.equal(20);
    expect(skipped).to.be.within(before, 19);
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
  });

  it('fills holes, and without a pause for what is there', async () => {
    const lines = rows(60);
    const path = await source(fileOf(lines));
    await run(path);
    await remove('chunks/chunk-00000002.csv');
    await remove('chunks/chunk-00000006.csv');
    const written: number[] = [];
    const start = performance.now();
    await run(path, { CHUNK_INTERVAL_MS: 1500 }, { onChunk: ({ number }) => void written.push(number) });
    expect(performance.now() - start).to.be.within(1498, 7400); // one interval, not five
    expect(written).to.deep.equal([2, 6]);
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
  });

  it('never writes over a chunk, be it there at the start or come since', async () => {
    const path = await source(fileOf(rows(40)));
    await run(path, { CHUNK_ROWS: 10 });
    for (const number of [1, 2, 3, 4]) await remove(`chunks/chunk-0000000${number}.csv`);
    await test.store.put('chunks/chunk-00000002.csv', 'marker', 'text/csv');
    let late: Promise<void> | undefined;
    const summary = await run(
      path,
      { CHUNK_INTERVAL_MS: 1500 },
      {
        onChunk: ({ number }) => {
          if (number === 1) late = test.store.put('chunks/chunk-00000004.csv', 'late marker', 'text/csv');
        },
      },
    );
    await late;
    expect(summary).to.deep.equal({ chunks: 4, rows: 40, uploaded: 2, skipped: 2 });
    const objects = await bucket();
    expect(objects['chunks/chunk-00000002.csv']).to.equal('marker');
    expect(objects['chunks/chunk-00000004.csv']).to.equal('late marker');
  });

  it('does no harm when two start at once', async () => {
    const lines = rows(200);
    const path = await source(fileOf(lines));
    const { endpoint, credentials } = test;
    const other = ObjectStore.open({ bucket: test.store.bucket, endpoint, credentials });
    const [one, two] = await Promise.all([run(path), run(path, {}, { store: other })]);
    other.close();
    expect(one.uploaded + two.uploaded).to.equal(20);
    expect(one.chunks + two.chunks).to.equal(40);
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
  });

  it('finds its chunks again among more than a page of a listing holds', async () => {
    const { endpoint, credentials } = test;
    const store = ObjectStore.open({ bucket: test.store.bucket, endpoint, credentials, pageSize: PAGE });
    const count = 2 * PAGE;
    const path = await source(fileOf(rows(count)));
    const settings = { CHUNK_ROWS: 1 };
    try {
      expect((await run(path, settings, { store })).uploaded).to.equal(count);
      const first = await store.listPage('chunks/');
      expect(first.isLast).to.equal(false);
      expect(first.objects.length).to.be.lessThan(count);
      const listed: string[] = [];
      for await (const { key } of store.list('chunks/')) listed.push(key);
      const keys = Object.keys(chunksOf(rows(count), 1));
      expect(listed).to.deep.equal(keys);
      await remove(keys[PAGE + 5]!);
      const summary = await run(path, settings, { store });
      expect(summary).to.deep.equal({ chunks: count, rows: count, uploaded: 1, skipped: count - 1 });
    } finally {
      store.close();
    }
  });

  it('is done at once with a file of a header only', async () => {
    const summary = await run(await source(`${HEADER}\n`));
    expect(summary).to.deep.equal({ chunks: 0, rows: 0, uploaded: 0, skipped: 0 });
    expect(await bucket()).to.deep.equal({});
  });

  it('refuses a file without the needed columns before it writes anything', async () => {
    const cases = [
      [
        'step,customer,amount\n1,2,3\n',
        /TRANSACTIONS_CSV .*: the header has no column "gender", no column "merchant"$/,
      ],
      ['Customer,gender,merchant,amount,"\'CUSTOMER\'"\n', /: the header has column "customer" twice$/],
      [
        'customer,gender,merchant,"amount" x\n',
        /: in the header a value goes on behind its closing double quote$/,
      ],
      ['', /TRANSACTIONS_CSV .* is empty: it lacks even a header line/],
      [
        `${HEADER}\n${row(1)}\n1,"never closed\n${row(2)}\n`,
        /line 3 opens a quote \("\) that is never closed/,
      ],
    ] as const;
    for (const [content, says] of cases) expect(await refusal(run(await source(content)))).to.match(says);
    expect((await test.store.listPage('')).objects).to.deep.equal([]);
    await run(await source(" AMOUNT ,\"'Merchant'\",x,'gender',CUSTOMER\n1,2,3,4,5\n"));
    expect(Object.values(await bucket())).to.deep.equal([
      " AMOUNT ,\"'Merchant'\",x,'gender',CUSTOMER\n1,2,3,4,5\n",
    ]);
  });

  it('refuses a file it cannot read', async () => {
    expect(await refusal(run(join(folder, 'missing.csv')))).to.match(/^TRANSACTIONS_CSV .* does not exist$/);
    expect(await refusal(run(folder))).to.match(/is a folder/);
    expect(await refusal(run(join(await source(''), 'x.csv')))).to.match(/cannot be read: ENOTDIR/);
    const cut = gzipSync(fileOf(rows(1000))).subarray(0, 3000);
    expect(await refusal(run(await source(cut, 'cut.csv.gz')))).to.match(/is not a whole gzip file/);
    expect(await refusal(run(await source('no gzip', 'plain.gz')))).to.match(/no column/);
    expect((await test.store.listPage('')).objects).to.deep.equal([]);
  });

  it('refuses what is no regular file: a pipe would keep it waiting, and can be read only once', async () => {
    const pipe = join(folder, 'pipe.csv');
    execFileSync('mkfifo', [pipe]);
    expect(await refusal(run(pipe))).to.match(
      /^TRANSACTIONS_CSV \(.*pipe\.csv\) is a named pipe, not a file: save its content to a file$/,
    );
    expect(await refusal(run('/dev/zero'))).to.match(/is a device/);
    const server = createServer().listen(join(folder, 'socket.csv'));
    await once(server, 'listening');
    expect(await refusal(run(join(folder, 'socket.csv')))).to.match(/is a socket/);
    server.close();
  });

  it('names the delimiter, or the first line, of a file that has no commas or no header', async () => {
    const refused = async (content: string) => refusal(run(await source(content)));
    expect(await refused(fileOf(rows(2)).replaceAll(',', ';'))).to.match(
      /csv\): the header is delimited by ';'/,
    );
    expect(await refused(`sep=;\n${fileOf(rows(2))}`)).to.match(/csv\): the file begins with "sep=;"/);
    expect(await refused(`# by hand\n${fileOf(rows(2))}`)).to.match(/csv\): the file begins with a comment/);
    expect((await test.store.listPage('')).objects).to.deep.equal([]);
  });

  it('takes the marks of joined files for no part of a row', async () => {
    const joined = `\ufeff${fileOf(rows(12))}\ufeff${row(13)}\n\ufeff`;
    expect(await run(await source(joined))).to.include({ rows: 13, chunks: 2 });
    expect(await bucket()).to.deep.equal(chunksOf(rows(13), 10));
  });

  it('stops to read its file when it is told to end, be it the first or the second time', async () => {
    const controller = new AbortController();
    const file = new CsvFile('X', await source(fileOf(rows(50_000))), controller.signal);
    const survey = await file.survey();
    let isFirst = true;
    const reading = file.chunks(survey, 100, () => {
      if (isFirst) controller.abort();
      return (isFirst = false);
    });
    let chunks = 0;
    const ended = (async () => {
      for await (const { number } of reading) chunks = number;
    })();
    expect(await ended.catch((error: unknown) => error)).to.equal(controller.signal.reason);
    expect(chunks).to.be.lessThan(500);
    expect(await file.survey().catch((error: unknown) => error)).to.equal(controller.signal.reason);
  });

  it('refuses another source, another chunk size, and chunks of unknown origin', async () => {
    const path = await source(fileOf(rows(20)));
    await run(path);
    const before = await bucket();
    const other = await source(fileOf(rows(21)), 'other.csv');
    expect(await refusal(run(other))).to.match(
      /cut from another file \(20 rows, sha256 \w{8}\).*21 rows.*or empty s3:\/\//,
    );
    expect(await refusal(run(path, { CHUNK_ROWS: 5 }))).to.match(
      /have 10 rows each.*set CHUNK_ROWS=10, or empty/,
    );
    expect(await bucket()).to.deep.equal(before);

    await test.store.put('chunks.manifest.json', '{"chunk_rows":"10"}', 'application/json');
    expect(await refusal(run(path))).to.match(/chunks\.manifest\.json is no manifest that BankPulse wrote/);
    await remove('chunks.manifest.json');
    expect(await refusal(run(path))).to.match(/no chunks\.manifest\.json says what it was cut from: empty/);
    await test.store.put('foreign/x_7.csv.gz', 'x', 'text/csv');
    expect(await refusal(run(path, { CHUNKS_PREFIX: 'foreign/' }))).to.match(/x_7\.csv\.gz lies in/);
    expect(await bucket()).to.deep.equal(before);
  });

  it('tells in one line that the store cannot be had at the start', async () => {
    const path = await source(fileOf(rows(1)));
    const store = ObjectStore.open({
      bucket: 'no-such-bucket',
      endpoint: test.endpoint,
      credentials: test.credentials,
    });
    expect(await refusal(run(path, {}, { store }))).to.match(/never created for you/);
    store.close();
  });

  it('waits for a store that is busy when it looks what is there', async () => {
    const lines = rows(25);
    const path = await source(fileOf(lines));
    const proxy = await FaultProxy.start(test.endpoint);
    const { credentials } = test;
    const store = ObjectStore.open({ bucket: test.store.bucket, endpoint: proxy.endpoint, credentials });
    // the SDK itself asks three times; the first listing shows whether the store can be had at all
    proxy.rule = ({ method, key, nth }) =>
      (method === 'LIST' ? nth > 1 : /manifest/.test(key)) && nth <= 3 ? answer(503, 'SlowDown') : undefined;
    try {
      expect((await run(path, {}, { store })).uploaded).to.equal(3);
      expect(proxy.injected).to.be.at.least(2 + 3); // the listing, and at least one request for the manifest
      expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
    } finally {
      store.close();
      await proxy.stop();
    }
  });

  it('refuses to go on with a file that changed since its start', async () => {
    const path = await source(fileOf(rows(25)));
    const csv = new CsvFile('TRANSACTIONS_CSV', path);
    const survey = await csv.survey();
    for (const lines of [rows(26), rows(24), rows(25).with(3, row(99))]) {
      await source(fileOf(lines));
      const bodies: (Buffer | undefined)[] = [];
      const read = async () => {
        for await (const { content } of csv.chunks(survey, 10, () => true)) bodies.push(content);
      };
      expect(await refusal(read())).to.match(/changed while it was read/);
      expect(bodies.length).to.equal(2);
    }
  });

  it('keeps every row of any file, at any chunk size', async () => {
    const field = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', "'", ' ', '\r', 'é') }),
      fc.string({ unit: fc.constantFrom('a', ',', '\n', '\r', '""') }).map((text) => `"${text}"`),
    );
    const line = fc.array(field, { minLength: 2, maxLength: 4 }).map((fields) => fields.join(','));
    const end = fc.constantFrom('\n', '\r\n');
    const lines = fc.array(line, { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(lines, end, fc.integer({ min: 1, max: 7 }), async (texts, lineEnd, chunkRows) => {
        const csv = new CsvFile('TRANSACTIONS_CSV', await source(fileOf(texts, lineEnd)));
        const survey = await csv.survey();
        let joined = '';
        for await (const { content } of csv.chunks(survey, chunkRows, () => true)) {
          joined += content?.toString().slice(HEADER.length + 1) ?? '';
        }
        // A row that itself ends with CR keeps CR LF: with LF alone it would lose it.
        const kept = texts.map((text) => text.replace(/\r$/, lineEnd === '\n' ? '' : '\r'));
        expect(joined).to.equal(kept.map((text) => text + (text.endsWith('\r') ? '\r\n' : '\n')).join(''));
        expect(survey.fingerprint.rows).to.equal(texts.length);
      }),
      { numRuns: 150 },
    );
  });

  it('writes one chunk each interval by the clock', async () => {
    const path = await source(fileOf(rows(90)));
    const start = performance.now();
    const summary = await run(path, { CHUNK_INTERVAL_MS: 50 });
    expect(summary.uploaded).to.equal(9);
    // Eight intervals, never fewer; above them stand the start and whatever the machine is busy with.
    expect(performance.now() - start).to.be.within(8 * 50 - 2, 8 * 50 + 4000);
  });

  it('waits while the store is away, says so once, and does not make up for it in a burst', async () => {
    const { hostname, port } = new URL(test.endpoint);
    const sockets = new Set<Socket>();
    let isAway = false;
    const proxy = createServer((client) => {
      sockets.add(client);
      client.on('error', () => undefined);
      if (isAway) return void client.destroy();
      const server = connect(Number(port), hostname).on('error', () => undefined);
      client.pipe(server).pipe(client);
      client.on('close', () => server.destroy());
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const store = ObjectStore.open({ bucket: test.store.bucket, endpoint, credentials: test.credentials });
    const messages: string[] = [];
    const log = pino(
      { level: 'info' },
      { write: (line: string) => void messages.push((JSON.parse(line) as { msg: string }).msg) },
    );

    const lines = rows(160);
    const path = await source(fileOf(lines));
    const times: number[] = [];
    let backAt = 0;
    const onChunk = ({ number }: { number: number }) => {
      times.push(performance.now());
      if (number !== 3) return;
      isAway = true;
      for (const socket of sockets) socket.destroy();
      setTimeout(() => {
        isAway = false;
        backAt = performance.now();
      }, 800);
    };
    const summary = await run(path, { CHUNK_INTERVAL_MS: 50 }, { store, log, onChunk });
    store.close();
    proxy.close();

    expect(summary).to.deep.equal({ chunks: 16, rows: 160, uploaded: 16, skipped: 0 });
    expect(await bucket()).to.deep.equal(chunksOf(lines, 10));
    expect(messages.filter((text) => /object store/.test(text))).to.deep.equal([
      'the object store is in trouble; trying again until it works',
      'the object store works again',
    ]);
    const after = times.filter((time) => time > backAt);
    expect(after.length).to.be.within(8, 13);
    // Up to four were waiting and may come together; the others come one each interval.
    expect((after.at(-1) ?? 0) - (after[0] ?? 0)).to.be.greaterThan((after.length - 5) * 25);
  });
});
