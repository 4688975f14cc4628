import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { projectDir, version } from '../../src/config.js';
import {
  createTestDatabase,
  dropTestDatabase,
  useDatabase,
  withRole,
  type TestDatabase,
} from '../support/database.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { Command, asOnTerminal, expectRefusal, run, runProcess, type Ended } from '../support/process.js';
import { programArguments } from '../support/program.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const ROWS = 2000;
const NOBODY = 'postgres://nobody:secret@127.0.0.1:1/nothing';

describe('the command line', () => {
  let folder: string;
  let s3: TestObjectStore;
  let generated: Ended;
  const started: Command[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    s3 = await testObjectStore();
    generated = await run(['generate', '--rows', String(ROWS), '--out', folder]);
  });
  afterEach(async () => {
    for (const command of started.splice(0)) await command.kill();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** For a command with everything: this database, prefixes of its own. */
  const environment = (database: TestDatabase, name: string): Record<string, string> => ({
    ...s3.env,
    DATABASE_URL: database.url,
    BANKPULSE_HOME: join(folder, 'home'),
    TRANSACTIONS_CSV: join(folder, 'transactions.csv'),
    IMPORTANCE_CSV: join(folder, 'CustomerImportance.csv'),
    CHUNKS_PREFIX: `${name}/chunks/`,
    DETECTIONS_PREFIX: `${name}/detections/`,
    CHUNK_ROWS: '200',
    CHUNK_INTERVAL_MS: '0',
    POLL_INTERVAL_MS: '20',
    GAP_TIMEOUT_MS: '300',
  });

  function start(args: readonly string[], env: Record<string, string>): Command {
    const command = Command.start(args, env);
    started.push(command);
    return command;
  }

  describe('used wrongly', () => {
    it('ends with 2 at an unknown option, and says how it is used', async () => {
      const { code, stdout, stderr } = await runProcess(['start', '--twice']);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      expect(stderr).to.match(/unknown option '--twice'[^]*Usage: bankpulse start/);
    });

    it('ends with 2 when the configuration is wrong: all faults, each named once', async () => {
      const { code, stdout, stderr } = await run(['start'], {
        POLL_INTERVAL_MS: 'often',
        DB_HOST: '127.0.0.1',
        DB_PORT: '0',
        CHUNK_ROWS: '-1',
        CHUNKS_PREFIX: '/x',
        LOG_LEVEL: 'loud',
      });
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' });
      const faults = stderr
        .trimEnd()
        .split('\n')
        .map((line) => /^configuration: (\w+) must /.exec(line)?.[1] ?? line);
      expect(faults).to.have.members([
        'POLL_INTERVAL_MS',
        'DB_PORT',
        'CHUNK_ROWS',
        'CHUNKS_PREFIX',
        'LOG_LEVEL',
      ]);
    });
  });

  describe('without what it needs', () => {
    const database = useDatabase('empty');

    for (const command of ['status', 'quarantine', 'detect', 'start']) {
      it(`"${command}" ends with 1 and one line when the database cannot be reached`, async () => {
        const env = { ...environment(database(), 'unreachable'), DATABASE_URL: NOBODY };
        expectRefusal(
          await run([command], env),
          /cannot connect to database "nothing" at 127\.0\.0\.1:1: .*check/,
        );
      });
    }

    for (const command of ['detect', 'start']) {
      it(`"${command}" ends with 1 and one line when there is no such bucket`, async () => {
        const env = {
          ...environment(database(), 'bucketless'),
          S3_BUCKET: 'bankpulse-test-that-is-not-there',
        };
        expectRefusal(await run([command], env), /no bucket "bankpulse-test-that-is-not-there".*S3_BUCKET/);
      });
    }

    it('"start" ends with 1 and one line when an input file is missing that is not at its default place', async () => {
      const env = { ...environment(database(), 'no-input'), TRANSACTIONS_CSV: join(folder, 'none.csv') };
      expectRefusal(await run(['start'], env), /TRANSACTIONS_CSV .*none\.csv.* does not exist/);
    });
  });

  describe('with variables that do not name both services', () => {
    const database = useDatabase('seeded');
    const messages = (stderr: string) =>
      stderr
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => (JSON.parse(line) as { msg: string }).msg);

    it("says at each start which database it is, also one that libpq's variables name", async () => {
      const { hostname, port, username, password } = new URL(database().url);
      const place = `database "${database().name}" at ${hostname}:${port}`;
      const names = { PGHOST: hostname, PGPORT: port, PGDATABASE: database().name, PGUSER: username };
      for (const env of [
        { DATABASE_URL: database().url },
        { ...names, PGPASSWORD: decodeURIComponent(password) },
      ]) {
        const { code, stdout, stderr } = await run(['status', '--json'], env);
        expect(code, stderr).to.equal(0);
        expect(JSON.parse(stdout)).to.include({ chunks_applied: 2 });
        expect(messages(stderr)).to.deep.equal([place]);
      }
    });

    it('ends with 2 at half a configuration, in one line that names what is missing and what may be meant', async () => {
      for (const command of ['detect', 'start', 'verify']) {
        const { code, stdout, stderr } = await run([command], {
          ...environment(database(), 'half'),
          S3_BUCKET: '',
          DATABASE_URL: '',
          DBHOST: '127.0.0.1',
          DB_USER: 'u',
          DB_PASSWORD: 'secret',
        });
        expect({ code, stdout }, command).to.deep.equal({ code: 2, stdout: '' });
        expect(stderr.split('\n')).to.deep.equal([
          'configuration: DBHOST, DB_USER, DB_PASSWORD are set, but not which server: set DB_HOST, PGHOST or DATABASE_URL; ' +
            'the embedded PostgreSQL is used only if no variable names a database',
          'configuration: AWS_ENDPOINT_URL_S3 is set, but not which bucket: set S3_BUCKET; ' +
            'the embedded S3 server is used only if no variable names a store',
          'configuration: DBHOST is set and has no effect: is DB_HOST meant?',
          '',
        ]);
      }
    });
  });

  describe('with an output that takes nothing', () => {
    const database = useDatabase('seeded');
    const status = (redirected: string) =>
      spawnSync(
        'bash',
        [
          '--norc',
          '-c',
          `set -o pipefail; "$0" "$@" ${redirected}`,
          process.execPath,
          ...programArguments(),
          'status',
        ],
        {
          env: { PATH: process.env.PATH, NODE_ENV: 'test', DATABASE_URL: database().url, LOG_LEVEL: 'warn' },
          cwd: projectDir,
          encoding: 'utf8',
        },
      );

    it('ends with 0 when the reader of a pipe wants no more', () => {
      const { status: code, stderr } = status('| true');
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    });

    it('ends with 1 and one line when the disk is full, and goes on when only the log finds no room', function () {
      if (!existsSync('/dev/full')) return this.skip();
      const full = status('> /dev/full');
      expect(full.status).to.equal(1);
      expect(asOnTerminal(full.stderr)).to.match(/^error: the output cannot be written: ENOSPC.*\n$/);
      const quiet = status('2> /dev/full');
      expect(quiet.status).to.equal(0);
      expect(quiet.stdout).to.match(/^chunks +2 applied, 0 waiting, 0 quarantined\n/);
    });
  });

  describe('generate', () => {
    it('writes a pair of files and says what is in them', async () => {
      expect(generated).to.deep.include({ code: 0, stderr: '' });
      expect(generated.stdout).to.match(/^2000 rows, \d+ customers, \d+ merchants: /);
      for (const name of ['transactions.csv', 'CustomerImportance.csv']) {
        const text = await readFile(join(folder, name), 'utf8');
        expect(text.trimEnd().split('\n')).to.have.length(ROWS + 1);
      }
    });
  });

  describe('on a database without the schema', () => {
    const database = useDatabase('bare');

    for (const args of [['status'], ['quarantine', '--retry', 'key']]) {
      it(`"${args.join(' ')}" ends with 1 and says how to make it`, async () => {
        expectRefusal(await run(args, { DATABASE_URL: database().url }), /npm run migrate/);
      });
    }

    it('"detect" as a role without rights ends with 1 and says who must migrate', async () => {
      await withRole(database(), '', async (url) => {
        const env = { ...environment(database(), 'guest'), DATABASE_URL: url };
        expectRefusal(await run(['detect', '--once'], env), /run "npm run migrate" as the owner/);
      });
    });

    it('"migrate" makes it, and does nothing the second time', async () => {
      const env = { DATABASE_URL: database().url, LOG_LEVEL: 'warn' };
      const first = await run(['migrate'], env);
      expect(first).to.deep.include({ code: 0, stderr: '' });
      expect(first.stdout).to.match(
        /^Applied:\n {2}migrations\/0001_create_tables\.sql\n[^]* {2}sql\/14_grants\/grants\.sql\n$/,
      );
      expect(await run(['migrate'], env)).to.deep.equal({
        code: 0,
        stdout: 'The schema is up to date.\n',
        stderr: '',
      });
    });

    it('"seed" loads the small data set once', async () => {
      const env = { DATABASE_URL: database().url, LOG_LEVEL: 'warn' };
      expect(await runProcess(['seed'], env)).to.deep.include({ code: 0, stderr: '' });
      const { rows } = await database().client.query(
        'select distinct pattern_id from bankpulse.detections order by pattern_id',
      );
      expect(rows).to.deep.equal([
        { pattern_id: 'PatId1' },
        { pattern_id: 'PatId2' },
        { pattern_id: 'PatId3' },
      ]);
      expectRefusal(await run(['seed'], env), /has chunks already/);
    });
  });

  describe('start --once', () => {
    const database = useDatabase('bare');
    let result: Ended;
    before(async () => {
      result = await runProcess(['start', '--once'], environment(database(), 'once'));
    });

    it('migrates, applies everything, and ends with 0 and a summary on stdout', () => {
      expect(result.stdout).to.match(/10 applied, 0 waiting, 0 quarantined/);
      expect(result.stdout).to.match(/2,000 accepted, 0 rejected/);
      expect(result.code).to.equal(0);
    });

    it('logs JSON lines on stderr where there is no terminal, and nothing else', () => {
      const messages = result.stderr
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { msg: string }).msg);
      for (const message of ['chunk written', 'chunk applied'])
        expect(messages.filter((text) => text === message)).to.have.length(10);
    });

    it('says in its log what started where, who was elected, and why it stopped; each line bears host and run', () => {
      const lines = result.stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const said = (msg: string) => lines.filter((line) => line.msg === msg);
      const bucket = s3.store.description;
      const [started] = said('mechanism Y has started');
      expect(started).to.deep.include({ version, bucket, run: 1 });
      expect(started!.database).to.match(/^database ".*" at /);
      expect(said('mechanism X has started')[0]).to.deep.include({ version, bucket });
      expect(said('elected: this mechanism Y works')).to.have.length(1);
      expect(lines.at(-1)).to.include({ msg: 'stopped', reason: '--once: nothing waits any more', run: 1 });
      for (const line of lines) expect(line.host).to.equal(hostname());
      const behindStart = lines.slice(lines.indexOf(started!));
      expect(behindStart.filter(({ run: number }) => number !== 1)).to.deep.equal([]);
    });

    it('"status" says that no Y works, and "--listing" counts what waits by itself', async () => {
      const env = environment(database(), 'once');
      const plain = await run(['status'], env);
      expect(plain.stdout).to.match(/^chunks +10 applied, 0 waiting, 0 quarantined$/m);
      expect(plain.stdout).to.match(/^no mechanism Y works: run \d+ has ended$/m);
      expect(plain.stdout).to.match(/^listing +\d+ s ago: what waits is as of that moment$/m);
      const key = 'once/chunks/chunk-00000099.csv';
      await s3.store.put(key, 'customer,gender,merchant,amount\n', 'text/csv');
      try {
        expect((await run(['status', '--listing'], env)).stdout).to.match(
          /^bucket +1 waiting, the oldest for \d+ s \(counted now\)$/m,
        );
        const { stdout } = await run(['status', '--json', '--listing'], env);
        expect((JSON.parse(stdout) as { bucket: object }).bucket).to.include({ waiting: 1 });
        await database().client.query('update bankpulse.runs set listing_expires_at = now()');
        expect((await run(['status'], env)).stdout).to.match(
          /^lag +unknown: the last listing of mechanism Y is \d+ s old$/m,
        );
      } finally {
        await s3.client.send(new DeleteObjectCommand({ Bucket: s3.store.bucket, Key: key }));
      }
    });

    it('ends at an error that nobody expects with a last line of JSON, its stack in a field', () => {
      const failing = `setTimeout(() => Promise.reject(Object.assign(new Error('gone\\nwrong'), { code: 'EODD' })), 1500)`;
      const { status, stderr } = spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${encodeURIComponent(failing)}`, ...programArguments(), 'detect'],
        {
          env: {
            ...{ PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'test', DASHBOARD_PORT: '0' },
            ...environment(database(), 'once'),
          },
          cwd: projectDir,
          encoding: 'utf8',
        },
      );
      expect(status).to.equal(1);
      const lines = stderr.trimEnd().split('\n');
      const last = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
      expect(last).to.include({
        level: 60,
        host: hostname(),
        msg: 'unexpected error (EODD): Error: gone wrong',
      });
      expect(last.stack).to.match(/^at /);
      for (const line of lines) expect(line).to.match(/^\{"level":/);
    });

    it('leaves fresh views behind', async () => {
      const { rows } = await database().client.query(
        'select sum(transaction_count)::int as transactions from bankpulse.customer_averages',
      );
      expect(rows).to.deep.equal([{ transactions: ROWS }]);
    });

    it('has nothing to do the second time', async () => {
      const again = await run(['start', '--once'], environment(database(), 'once'));
      expect(again).to.deep.include({ code: 0, stdout: result.stdout });
    });

    it('"status --json" then is the row of pipeline_status, with numbers as numbers', async () => {
      const { code, stdout, stderr } = await run(['status', '--json'], {
        DATABASE_URL: database().url,
        LOG_LEVEL: 'warn',
      });
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      const status = JSON.parse(stdout) as Record<string, unknown>;
      const { fields } = await database().client.query('select * from bankpulse.pipeline_status');
      expect(Object.keys(status)).to.have.members(fields.map(({ name }) => name));
      expect(status).to.deep.include({
        chunks_applied: 10,
        chunks_quarantined: 0,
        chunks_pending: 0,
        rows_applied: ROWS,
        rows_rejected: 0,
        batches_pending: 0,
        lag_seconds: 0,
      });
      expect(status.batches_exported).to.be.a('number');
      expect(status.detections).to.have.all.keys('PatId1', 'PatId2', 'PatId3');
      for (const count of Object.values(status.detections as object)) expect(count).to.be.a('number');
    });
  });

  describe('with a quarantined object', () => {
    const database = useDatabase('empty');
    const key = 'quarantine/chunks/chunk_1.csv';

    it('"detect --once" ends with 0 and a summary that names it, "quarantine" lists it and lets it be retried', async () => {
      const env = environment(database(), 'quarantine');
      await s3.store.put(key, 'customer,merchant,amount\n', 'text/csv');
      const chunk = 'customer,gender,merchant,amount\nC,F,M,1\nC,F,M,x\n';
      await s3.store.put('quarantine/chunks/chunk_2.csv', chunk, 'text/csv');
      const { code, stdout } = await run(['detect', '--once'], env);
      expect(code).to.equal(0);
      expect(stdout).to.match(/1 applied, 0 waiting, 1 quarantined/);
      expect(stdout).to.match(/1 accepted, 1 rejected/);
      expect(stdout).to.include(`quarantined ${key}: the header has no column "gender"\n`);

      const quiet = { ...env, LOG_LEVEL: 'warn' };
      const listed = await runProcess(['quarantine'], quiet);
      expect(listed).to.deep.equal({
        code: 0,
        stdout: `${key}: the header has no column "gender"\n`,
        stderr: '',
      });
      expect(await run(['quarantine', '--retry', key], quiet)).to.deep.include({ code: 0, stderr: '' });
      const { rows } = await database().client.query('select object_key from bankpulse.chunks');
      expect(rows).to.deep.equal([{ object_key: 'quarantine/chunks/chunk_2.csv' }]);
      expectRefusal(await run(['quarantine', '--retry', key], env), /no quarantined object has the key/);
    });
  });

  describe('told to end', () => {
    let database: TestDatabase;
    beforeEach(async () => {
      database = await createTestDatabase('empty');
    });
    afterEach(() => dropTestDatabase(database));

    // by SIGTERM and SIGINT to itself: test/terminal
    it('by SIGTERM to npm, "start" finishes what is in hand and ends with 0', async () => {
      const env = { ...environment(database, 'term'), CHUNK_INTERVAL_MS: '500' };
      const command = Command.startByNpm('start', { ...env, npm_config_cache: join(folder, 'npm') });
      started.push(command);
      await command.says('chunk applied');
      const signalledAt = performance.now();
      command.child.kill('SIGTERM');
      const { code, stdout } = await command.ended;
      expect(performance.now() - signalledAt).to.be.below(10_000); // 5 s on a machine that is not busy
      const { rows } = await database.client.query<{ is_ended: boolean; chunks: number }>(
        `select ended_at is not null as is_ended, (select count(*)::int from bankpulse.chunks) as chunks
         from bankpulse.runs`,
      );
      expect(rows.map(({ is_ended }) => is_ended)).to.deep.equal([true]);
      expect(stdout).to.include(`${rows[0]!.chunks} applied`);
      expect(code).to.equal(0);
    });

    async function summaryOf(command: Command): Promise<string> {
      while (!command.stdout.includes('npm run psql')) {
        if (command.child.exitCode !== null) expect.fail(`it ended: ${command.stderr}`);
        await sleep(50);
      }
      return command.stdout;
    }

    it('"start" has the last chunk in its summary, though it came after a quiet while', async () => {
      const proxy = await FaultProxy.start(s3.endpoint);
      try {
        // a listing that began before X's last put ends after it
        proxy.rule = ({ method }) =>
          method === 'LIST'
            ? async ({ forward, relay }) => {
                const answer = await forward();
                await sleep(300);
                await relay(answer);
              }
            : undefined;
        const command = start(['start'], {
          ...environment(database, 'after-a-while'),
          AWS_ENDPOINT_URL_S3: proxy.endpoint,
          CHUNK_ROWS: '1000',
          CHUNK_INTERVAL_MS: '2000',
          FLUSH_AFTER_MS: '100',
        });
        expect(await summaryOf(command)).to.match(/2 applied/);
      } finally {
        await proxy.stop();
      }
    });

    it('"start" beside another Y that works prints the summary when that one is done', async () => {
      const env = { ...environment(database, 'beside'), FLUSH_AFTER_MS: '100' };
      await start(['detect'], env).says('importance loaded');
      const command = start(['start'], env);
      expect(await summaryOf(command)).to.match(/10 applied, 0 waiting/);
      expect(command.stderr).to.include('standing by');
      command.child.kill('SIGTERM');
      expect((await command.ended).code).to.equal(0);
    });

    it('"start" prints the summary when nothing comes any more, listens on, and takes two SIGINT at once for one', async () => {
      const command = start(['start'], { ...environment(database, 'listening'), FLUSH_AFTER_MS: '100' });
      expect(await summaryOf(command)).to.match(/10 applied/);
      await command.says('listening for new chunks under listening/chunks/; Ctrl-C ends it');
      await s3.store.put(
        'listening/chunks/chunk_11.csv',
        'customer,gender,merchant,amount\nC,F,M,1\n',
        'text/csv',
      );
      await command.says('"chunk":11,');
      command.child.kill('SIGINT'); // a terminal and npm send one each
      await sleep(20);
      command.child.kill('SIGINT');
      expect((await command.ended).code).to.equal(0);
    });

    it('by SIGKILL, the next start goes on as if nothing had happened', async () => {
      const env = { ...environment(database, 'killed'), CHUNK_INTERVAL_MS: '50' };
      const command = start(['start'], env);
      await command.says('"chunk":3,');
      command.child.kill('SIGKILL');
      await command.ended;
      const { code, stdout } = await run(['start', '--once'], env);
      expect(stdout).to.match(/10 applied, 0 waiting, 0 quarantined\n.*2,000 accepted, 0 rejected/);
      expect(code).to.equal(0);
    });
  });
});
