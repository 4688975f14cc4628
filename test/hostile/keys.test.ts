import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';
import { keepEscapes, printable, printableJson } from '../../src/text/printable.js';
import { useDatabase } from '../support/database.js';
import { csv } from '../support/detector.js';
import { run } from '../support/process.js';
import { programArguments } from '../support/program.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

/** What follows the prefix. All but the last are applied, in the order of their numbers. */
const HOSTILE = [
  '../../x1.csv',
  './..//x2.csv',
  '/etc/passwd/x3.csv',
  '$(touch x)4.csv',
  '`touch x`;touch x|touch x&5.csv',
  '-rf 6.csv',
  '--help=7.csv',
  'new\nline8.csv',
  'red\u001b[31m\u001b]0;title\u0007 9.csv',
  'c1\u009b31m\u0085 10.csv',
  'turned\u202egpj.\u2066\u2028 11.csv',
  '%00%0a%2e%2e%2f 12.csv',
  '\u{1f4a5}"\'\\,<&> 13.csv',
  "'); drop schema bankpulse cascade; -- 14.csv",
  'tab\tcarriage\rreturn 15.csv',
  '__proto__16.csv',
  // as long as a key may be, with "hostile/" before it; the embedded server keeps objects as files, in folders
  `${'long/'.repeat(200)}${'n'.repeat(10)}17.csv`,
  'no number\u001b[J.csv',
];
/** Cannot be used, so that it is quarantined. */
const UNUSABLE = 'bad\u001b[31m\n\u202e99.csv';

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

describe('keys of a hostile bucket', function () {
  this.timeout(240_000);
  const database = useDatabase('empty');
  let s3: TestObjectStore;
  let folder: string;
  const stored: string[] = [];
  const key = (name: string) => `hostile/${name}`;

  before(async () => {
    s3 = await testObjectStore();
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    await writeFile(join(folder, 'importance.csv'), 'Source,Target,Weight\nC1,shop,1\n');
    const refused: string[] = [];
    for (const name of HOSTILE) {
      try {
        await s3.store.put(key(name), csv('C1,F,shop,1'), 'text/csv');
        stored.push(name);
      } catch {
        refused.push(printable(name));
      }
    }
    await s3.store.put(key(UNUSABLE), 'customer\n', 'text/csv');
    // what it keeps as files it cannot keep under such names
    if (refused.length > 0) process.stderr.write(`    not stored by this S3 server: ${refused.join('  ')}\n`);
    expect(stored).to.have.length.above(12);
    if (process.env.TEST_S3_ENDPOINT) expect(refused).to.deep.equal([]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const quiet = () => ({ ...environment(), LOG_LEVEL: 'warn' });
  const environment = (): Record<string, string> => ({
    ...s3.env,
    DATABASE_URL: database().url,
    IMPORTANCE_CSV: join(folder, 'importance.csv'),
    BANKPULSE_HOME: join(folder, 'home'),
    CHUNKS_PREFIX: 'hostile/',
    DETECTIONS_PREFIX: 'detections/',
    GAP_TIMEOUT_MS: '100',
    POLL_INTERVAL_MS: '50',
    LOG_LEVEL: 'trace',
  });

  /** The same with a terminal on stderr and stdout, whose output comes as one. */
  async function runOnTerminal(args: string[]): Promise<{ code: number | null; output: string }> {
    const command = [process.execPath, ...programArguments(), ...args].join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: projectDir,
      env: { PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'test', ...environment(), TERM: 'dumb' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  /** Colours of our own log, and the ends of its lines. */
  const withoutColours = (output: string) => output.replace(/\u001b\[\d+m|\r(?=\n)/g, ''); // eslint-disable-line no-control-regex

  it('are applied, ignored or quarantined, and printed escaped', async () => {
    const filesBefore = await readdir(projectDir);
    const { code, stdout, stderr } = await run(['detect', '--once'], environment());
    expect(code, stderr).to.equal(0);
    const { rows } = await database().client.query<{ object_key: string; status: string }>(
      'select object_key, status from bankpulse.chunks order by chunk_no',
    );
    expect(rows.filter(({ status }) => status === 'applied').map((row) => row.object_key)).to.deep.equal(
      stored.slice(0, -1).map(key),
    );
    expect(rows.filter(({ status }) => status === 'quarantined').map((row) => row.object_key)).to.deep.equal([
      key(UNUSABLE),
    ]);
    expect(stdout).to.include(`quarantined ${printable(key(UNUSABLE))}: `);
    for (const output of [stdout, stderr]) expect(output).not.to.match(CONTROL);
    // who reads the log gets the key as it is
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { key?: string; msg: string });
    expect(lines.filter(({ msg }) => msg === 'chunk applied').map((line) => line.key)).to.deep.equal(
      stored.slice(0, -1).map(key),
    );
    expect(lines.find(({ msg }) => msg.includes('ignored'))?.key).to.equal(key(stored.at(-1)!));
    expect(await readdir(projectDir), 'no file was made').to.deep.equal(filesBefore);
    expect(await readdir(folder)).to.deep.equal(['importance.csv']);
  });

  it('are printed escaped on a terminal, in logs and summary', async function () {
    if (spawnSync('script', ['--version']).error) {
      process.stderr.write('not tested: script(1) is not there to make a terminal\n');
      this.skip();
    }
    await database().client.query('truncate bankpulse.chunks');
    const { code, output } = await runOnTerminal(['detect', '--once']);
    expect(code, output).to.equal(0);
    const text = withoutColours(output);
    expect(text).to.match(/chunk applied/);
    expect(text).to.include('u001b]0;title'); // ours, not the terminal's
    expect(text).not.to.match(CONTROL);
    expect(text.split('\n').filter((line) => line.startsWith('line8'))).to.deep.equal([]);
  });

  it('are taken out of quarantine as they are, or as they are printed', async () => {
    const name = key(UNUSABLE);
    const listed = await run(['quarantine'], environment());
    expect(listed.stdout).to.equal(
      `${printable(name)}: the header has no column "gender", no column "merchant", no column "amount"\n`,
    );
    const { rows: before } = await database().client.query<object>(
      `select * from bankpulse.chunks where status = 'quarantined'`,
    );
    for (const retry of [name, printable(name)]) {
      const { code, stdout, stderr } = await run(['quarantine', '--retry', retry], quiet());
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(stdout).not.to.match(CONTROL);
      expect(stdout).to.include(printable(name));
      const { rowCount } = await database().client.query(
        `insert into bankpulse.chunks select * from jsonb_populate_record(null::bankpulse.chunks, $1)`,
        [before[0]],
      );
      expect(rowCount).to.equal(1);
    }
    const wrong = await run(['quarantine', '--retry', '--\u001b[31m\nno such'], quiet());
    expect(wrong).to.include({ code: 1, stdout: '' });
    expect(wrong.stderr).to.equal('error: no quarantined object has the key --\\u001b[31m\\u000ano such\n');
  });

  it('stay what they are in JSON, and become text for whoever prints it', () => {
    const line = `${JSON.stringify({ key: 'a\u009b\u202e\\u001b\u001b\n"\\n', msg: 'm' })}\n`;
    expect(printableJson(line)).not.to.match(CONTROL);
    expect(JSON.parse(printableJson(line))).to.deep.equal(JSON.parse(line));
    expect(JSON.parse(keepEscapes(printableJson(line)))).to.deep.equal({
      key: 'a\\u009b\\u202e\\u001b\\u001b\\n"\\n',
      msg: 'm',
    });
  });
});
