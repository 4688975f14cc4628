/* eslint-disable no-control-regex -- they are what is looked for */
import { EventEmitter } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WriteStream } from 'node:tty';
import { stripVTControlCharacters } from 'node:util';
import { expect } from 'chai';
import stringWidth from 'string-width';
import { pipelineEvents } from '../../src/events.js';
import { frameOf, type Space } from '../../src/terminal/frame.js';
import { LiveArea } from '../../src/terminal/live-area.js';
import { Progress } from '../../src/terminal/progress.js';
import { isLive } from '../../src/terminal/terminal.js';
import { Rate } from '../../src/terminal/rate.js';
import { createTestDatabase, dropTestDatabase, type TestDatabase } from '../support/database.js';
import { setThresholds } from '../support/detector.js';
import { PseudoTerminal, hasPseudoTerminals, linesOf, newScreen } from '../support/pseudo-terminal.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const ROWS = 400;
/** A name that would colour the screen, set the title and break the line, in a CSV field of its own. */
const EVIL = '\u001B[31m\u001B]0;title\u0007evil\u202E';

const summary =
  /^(chunks|rows|detections|files|lag|weights) {2,}\d|^To look at the detections|^ +only 0 of the first/;
const logLine = /^\[\d\d:\d\d:\d\d\.\d{3}\] (INFO|WARN): /;

describe('the live display', () => {
  const space: Space = { columns: 100, rows: 30, hasColors: false };
  const detection = (merchant: string, customer: string) => ({
    action_type: 'CHILD',
    reason_text: `Customer ${customer} has paid ${merchant} often, but little: 80 times.`,
  });

  function halfway(): Progress {
    const progress = new Progress();
    progress.sourceRows = 600_000;
    progress.produced = { chunks: 31, rows: 310_000 };
    progress.producing.add(10_000, 1000);
    progress.role = 'working';
    progress.start({ chunks: 30, rows: 300_000, detections: { PatId2: 5, PatId1: 1200 } }, 24);
    progress.applying.add(9500, 1000);
    progress.chunkSeconds = 0.1052;
    progress.lag = { pendingCount: 1, oldestPendingAt: new Date(Date.now() + 60_000) }; // never a tenth of a second ago
    progress.newest = [
      detection('M1', 'C1'),
      { action_type: 'DEI-NEEDED', reason_text: 'M2 has many women among its customers.' },
    ];
    return progress;
  }

  it('shows X, Y and what was found', () => {
    expect(frameOf(halfway(), space, 1000)).to.deep.equal([
      'X  [============>           ]  51 %  310,000 of 600,000 rows  10,000 rows/s',
      'Y  [============>           ]  50 %  300,000 rows  9,500 rows/s  lag 1 chunk, 0.0 s',
      '   1,205 detections (PatId1 1,200, PatId2 5)  24 files  105 ms a chunk',
      '   CHILD       Customer C1 has paid M1 often, but little: 80 times.',
      '   DEI-NEEDED  M2 has many women among its customers.',
    ]);
  });

  it('shows the last of Y at its end, and begins anew with another term', () => {
    const progress = halfway();
    const stop = progress.follow(
      () => undefined,
      () => undefined,
    );
    const before = frameOf(progress, space, 1000);
    pipelineEvents.publish('roleChanged', 'ended');
    expect(frameOf(progress, space, 1000)).to.deep.equal(before);
    pipelineEvents.publish('roleChanged', 'starting');
    expect(frameOf(progress, space, 1000)[1]).to.equal('Y  starting');
    stop();
  });

  it('has no bar where the number of rows is not known, or is another than the bucket has', () => {
    const progress = halfway();
    progress.applied!.rows = 700_000;
    expect(frameOf(progress, space, 1000)[1]).to.match(/^Y {2}700,000 rows/);
    progress.sourceRows = undefined;
    expect(frameOf(progress, space, 1000)[0]).to.match(/^Y {2}700,000 rows/);
  });

  it('says what is waited for', () => {
    const progress = halfway();
    progress.lag = { pendingCount: 0, oldestPendingAt: null };
    expect(frameOf(progress, space, 60_000)[1]).to.match(/ 300,000 rows {2}waits for new chunks {2}lag 0/);
    progress.lag.pendingCount = 1;
    progress.inTrouble.add('object_store');
    expect(frameOf(progress, space, 1000)[1]).to.match(
      / 300,000 rows {2}waiting for the object store {2}lag 1 chunk/,
    );
    progress.lagUntil = 60_000;
    expect(frameOf(progress, space, 60_000)[1]).to.match(/ waiting for the object store {2}lag unknown$/);
    progress.lagUntil = Infinity;
    progress.role = 'standing_by';
    expect(frameOf(progress, space, 1000)[1]).to.match(/^Y {2}standing by: another mechanism Y is at work/);
    progress.leader = 'npm run rebuild';
    expect(frameOf(progress, space, 1000)[1]).to.match(/^Y {2}standing by: npm run rebuild is at work/);
  });

  it('fits into any terminal, whatever names there are', () => {
    const progress = halfway();
    const names = [EVIL, 'x'.repeat(100), '漢字'.repeat(30), 'a\nb', '👩‍👩‍👧‍👦'.repeat(15), ''];
    progress.newest = names.flatMap((merchant) => names.map((customer) => detection(merchant, customer)));
    for (const columns of [1, 2, 10, 40, 79, 80, 200])
      for (const rows of [1, 2, 3, 24])
        for (const hasColors of [false, true]) {
          const lines = frameOf(progress, { columns, rows, hasColors }, 1000);
          expect(lines.length).to.be.at.most(Math.max(0, rows - 2));
          for (const line of lines) {
            expect(stringWidth(line)).to.be.below(Math.max(2, columns));
            // styles, and nothing else that moves or breaks anything
            expect(line.replaceAll(/\u001B\[\d+m/g, '')).not.to.match(/[\p{Cc}\u202E]/u);
          }
        }
    progress.newest = [detection(EVIL, 'x'.repeat(1000))];
    const [, , , evil, long] = frameOf(progress, space, 1);
    expect(long).to.be.undefined;
    expect(evil).to.match(/^ {3}CHILD {7}Customer x{70,}…$/);
    progress.newest = [detection('M1', EVIL)];
    expect(frameOf(progress, space, 1)[3]).to.include(
      'Customer \\u001b[31m\\u001b]0;title\\u0007evil\\u202e has',
    );
  });

  it('is for terminals that somebody looks at', () => {
    const terminal = { isTTY: true };
    expect(isLive(terminal, { TERM: 'xterm' })).to.be.true;
    expect(isLive(terminal, { TERM: 'xterm', CI: 'false' })).to.be.true;
    expect(isLive(terminal, { TERM: 'xterm', CI: 'true' })).to.be.false;
    expect(isLive(terminal, { TERM: 'dumb' })).to.be.false;
    expect(isLive(terminal, {})).to.be.false;
    expect(isLive({}, { TERM: 'xterm' })).to.be.false;
  });

  it('knows rates over the last ten seconds', () => {
    const rate = new Rate();
    expect(rate.perSecond(0)).to.equal(0);
    for (let second = 0; second < 60; second++) rate.add(100, second * 1000);
    expect(rate.perSecond(59_500)).to.equal(100);
    expect(rate.perSecond(64_500)).to.equal(50);
    expect(rate.perSecond(100_000)).to.equal(0);
  });
});

describe('the lines at the foot of a terminal', () => {
  let screen: ReturnType<typeof newScreen>;
  let stream: WriteStream;
  let area: LiveArea;

  /** The screen as a stream, which knows its size and nothing else. */
  function streamTo(terminal: typeof screen): WriteStream {
    const { cols: columns, rows } = terminal;
    const write = (text: string) => {
      terminal.write(text.replaceAll('\n', '\r\n'));
      return true;
    };
    return Object.assign(new EventEmitter(), { columns, rows, isTTY: true, write }) as unknown as WriteStream;
  }
  const shown = async () => {
    await new Promise<void>((resolve) => screen.write('', resolve));
    return linesOf(screen);
  };
  /** The emulator first, then the program hears of it. */
  async function resize(columns: number): Promise<void> {
    await shown();
    screen.resize(columns, screen.rows);
    stream.columns = columns;
    stream.emit('resize');
  }

  beforeEach(() => {
    screen = newScreen(40, 24);
    stream = streamTo(screen);
    area = new LiveArea(stream);
  });
  afterEach(() => {
    area.stop();
    screen.dispose();
  });

  it('stay below whatever else is written, and are gone at the end', async () => {
    const written: string[] = [];
    for (let at = 0; at < 50; at++) {
      area.show([`x ${at}`, `y ${at}`, `z ${at}`].slice(0, 1 + (at % 3)));
      written.push(`line ${at} ${'long '.repeat(at % 20)}end`);
      stream.write(`${written.at(-1)}\n`);
    }
    expect(await shown()).to.deep.equal([...written, 'x 49', 'y 49']);
    area.show([]);
    stream.write('no line end');
    area.show(['x']);
    stream.write('nor here');
    expect(await shown()).to.deep.equal([...written, 'no line end', 'nor here', 'x']);
    area.stop();
    stream.write('after\n');
    expect((await shown()).slice(-2)).to.deep.equal(['nor here', 'after']);
    expect(screen.buffer.active.cursorX).to.equal(0);
  });

  it('are drawn anew when the window becomes narrow, and take no line of the log away', async () => {
    const lines = (columns: number) => ['x', 'y', 'z'].map((name) => name.padEnd(columns - 1, '.'));
    stream.write('one\ntwo\n');
    area.show(lines(40));
    for (const columns of [20, 13, 40, 39, 12, 80]) {
      await resize(columns);
      stream.write(`at ${columns}\n`);
      area.show(lines(columns));
      const text = await shown();
      expect(text.slice(-3), `at ${columns}`).to.deep.equal(lines(columns));
      expect(text.slice(0, 2)).to.deep.equal(['one', 'two']);
      expect(
        text.filter((line) => /^[xyz]/.test(line)),
        `at ${columns}`,
      ).to.have.length(3);
    }
    area.stop();
    expect(await shown()).to.deep.equal(['one', 'two', 'at 20', 'at 13', 'at 40', 'at 39', 'at 12', 'at 80']);
  });

  it('are not taken away from below a shell after Ctrl-Z, but drawn again', async () => {
    area.show(['x', 'y']);
    screen.write('$ fg\r\n'); // the shell's
    process.emit('SIGCONT');
    area.show(['x', 'z']);
    expect(await shown()).to.deep.equal(['x', 'y', '$ fg', 'x', 'z']);
  });

  it('leave nothing behind in this process', () => {
    const count = () => process.listenerCount('exit') + process.listenerCount('SIGCONT');
    const during = count();
    area.stop();
    expect(during - count()).to.equal(2);
    expect(stream.listenerCount('resize')).to.equal(0);
  });
});

describe('on a terminal', function () {
  this.timeout(180_000);
  let folder: string;
  let s3: TestObjectStore;
  let database: TestDatabase;
  let terminal: PseudoTerminal | undefined;
  let count = 0;

  before(async function () {
    if (!hasPseudoTerminals) {
      this.test!.title += ' [not run: there is no /usr/bin/script of util-linux]';
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    s3 = await testObjectStore();
    // twenty chunks of ten pairs; every pair comes twice, which is enough here
    const rows = Array.from({ length: ROWS }, (_, at) => {
      const place = Math.floor(at / 2);
      const customer = place % 10 === 0 ? EVIL + place : `customer-${place}`;
      const amount = at === 7 ? 'much' : '1.50';
      return `${customer},F,merchant-${place % 7},${amount}\n`;
    });
    await writeFile(join(folder, 'transactions.csv'), `customer,gender,merchant,amount\n${rows.join('')}`);
    await writeFile(join(folder, 'importance.csv'), 'Source,Target,Weight\nc,m,1\n');
  });
  after(() => folder && rm(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    database = await createTestDatabase('empty');
    await setThresholds(database, 'PatId2', { transactions_from: 2 });
  });
  afterEach(async () => {
    await terminal?.close();
    terminal = undefined;
    await dropTestDatabase(database);
  });

  const environment = (): Record<string, string> => ({
    ...s3.env,
    DATABASE_URL: database.url,
    DASHBOARD_PORT: '0',
    TRANSACTIONS_CSV: join(folder, 'transactions.csv'),
    IMPORTANCE_CSV: join(folder, 'importance.csv'),
    CHUNKS_PREFIX: `test-${++count}/chunks/`,
    DETECTIONS_PREFIX: `test-${count}/detections/`,
    CHUNK_ROWS: '20',
    CHUNK_INTERVAL_MS: '150',
    POLL_INTERVAL_MS: '50',
  });

  const start = async (args: string, env: Record<string, string> = {}, size = {}) =>
    (terminal = await PseudoTerminal.start(args, { ...environment(), ...env }, size));

  /** Whole log lines and the summary stay, and nothing of the display. */
  function expectClean(lines: readonly string[]): void {
    expect(lines.filter((line) => !logLine.test(line) && !summary.test(line))).to.deep.equal([]);
    expect(terminal!.raw, 'the cursor is not hidden').not.to.include('\u001B[?25l');
    expect(terminal!.raw, 'and stands at the left, where a prompt belongs').to.match(
      /(\n|\u001B\[G|\u001B\[\?2026l)$/,
    );
  }

  it('shows progress while it runs; afterwards there are the log and the summary', async () => {
    const pty = await start('start --once');
    expect(await pty.shows(/^X .*%/)).to.match(
      /^X {2}\[=*>? *\] {1,4}\d+ % {2}\d+ of 400 rows {2}\d+ rows\/s$/,
    );
    expect(await pty.shows(/^Y .*%/)).to.match(/^Y {2}\[=*>? *\] {1,4}\d+ % {2}\d+ rows/);
    await pty.shows(
      /^ {3}CHILD {7}Customer (customer-\d+|\\u001b\[31m.*) has paid merchant-\d often, but little: 2 times, 1\.50 on ave.*$/,
    );
    const { code, lines } = await pty.end();
    expect(code).to.equal(0);
    expectClean(lines);
    const text = lines.join('\n');
    expect(text).to.match(/^chunks +20 applied, 0 waiting, 0 quarantined$/m);
    expect(text).to.match(/^rows +399 accepted, 1 rejected$/m);
    // of chunks, only the one that has something to say
    expect(lines.filter((line) => line.includes('chunk applied'))).to.have.length(1);
    expect(text).to.match(/chunk applied .*"rejected":1/);
    expect(text).not.to.include('chunk written');
    expect(text).to.include('detections written');
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    it(`leaves the terminal clean after ${signal}`, async () => {
      const pty = await start('start');
      await pty.shows(/^Y .*%/);
      await pty.shows(/^ {3}CHILD/);
      await pty.kill(signal);
      const { code, lines } = await pty.end();
      expect(code).to.equal(0);
      expectClean(lines);
      const { rows } = await database.client.query<{ is_ended: boolean; chunks: number }>(
        `select ended_at is not null as is_ended, (select count(*)::int from bankpulse.chunks) as chunks
         from bankpulse.runs`,
      );
      expect(rows.map(({ is_ended }) => is_ended)).to.deep.equal([true]);
      expect(lines.join('\n')).to.match(new RegExp(`^chunks +${rows[0]!.chunks} applied`, 'm'));
    });

  it('leaves the terminal clean after an error, whose message stays', async () => {
    const pty = await start('start', { TRANSACTIONS_CSV: join(folder, 'nothing.csv') });
    const { code, lines } = await pty.end();
    expect(code).to.equal(1);
    const [error, ...others] = lines.filter((line) => !logLine.test(line));
    expect(error).to.match(/^error: TRANSACTIONS_CSV/);
    expect(others.every((line) => !/^[XY] /.test(line))).to.be.true;
  });

  it('prints the result alone to a stdout that is a file, and has a live display without colours if NO_COLOR says so', async () => {
    const out = join(folder, 'out.txt');
    const pty = await start(`start --once > "${out}"`, { NO_COLOR: '1' });
    await pty.shows(/^Y .*%/);
    const { code, lines } = await pty.end();
    expect(code).to.equal(0);
    expectClean(lines);
    expect(lines.filter((line) => !logLine.test(line))).to.deep.equal([]);
    expect(await readFile(out, 'utf8')).to.match(/^chunks +20 applied[^\u001B]*npm run psql\n$/);
    expect(pty.raw).not.to.match(/\u001B\[[\d;]*m/);
  });

  it('falls back to plain lines where nobody looks, such as with TERM=dumb', async () => {
    const pty = await start('start --once', { TERM: 'dumb', CHUNK_INTERVAL_MS: '0', CHUNK_ROWS: '100' });
    const { code, lines } = await pty.end();
    expect(code).to.equal(0);
    expectClean(lines);
    expect(lines.filter((line) => line.includes('chunk applied'))).to.have.length(4);
    expect(stripVTControlCharacters(pty.raw)).not.to.match(/^[XY] /m);
    expect(pty.raw).not.to.include('\u001B[2K');
  });
});
