import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { useEmbedded, type EmbeddedServices } from '../../src/embedded/client.js';
import { loadState } from '../../src/embedded/state.js';
import { run, runProcess } from '../support/process.js';

/** What must stand nowhere. */
const SECRETS = {
  password: 'pw-0f-5trangers',
  accessKey: 'AKIA5TRANGERS0000000',
  secretKey: 'secret+key/0f5trangers',
  sessionToken: 't0ken0f5trangers==',
  customer: 'Mr5tranger',
  merchant: 'shop0f5trangers',
  amount: '98765.4321',
  badAmount: '98765x4321',
};

describe('secrets and rows', function () {
  this.timeout(300_000);
  let folder: string;
  let home: string;
  let embedded: EmbeddedServices;
  let isOver = false;
  let watching: Promise<void>;
  /** What anybody on this machine, or in the database, could see meanwhile. */
  const seen = {
    commandLines: new Set<string>(),
    environments: new Set<string>(),
    sessions: new Set<string>(),
  };
  const outputs: { command: string; text: string }[] = [];
  let embeddedSecrets: string[];

  before(async function () {
    if (!existsSync('/proc/self/cmdline')) {
      process.stderr.write('not tested: there is no /proc to look at processes with\n');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    await chmod(folder, 0o755);
    home = join(folder, 'home');
    embedded = await useEmbedded(home, { postgres: true, s3: true });
    const { controlPort, postgresPort, s3Port, ...secrets } = await loadState(home);
    expect([controlPort, postgresPort, s3Port].every(Number.isInteger)).to.be.true;
    embeddedSecrets = Object.values(secrets);
    await embeddedQuery(`create role stranger login password '${SECRETS.password}'`);
    watching = watch();

    const { customer, merchant, amount, badAmount } = SECRETS;
    const good = `${customer},F,${merchant},${amount}\n`;
    const bad = [
      `${customer},F,${merchant},${badAmount}\n`,
      `${customer}\0,F,${merchant},${amount}\n`,
      `${customer},F,${merchant},${amount},more\n`,
      `"${customer}",F,,${amount}\n`,
    ];
    const invalid = Buffer.concat([
      Buffer.from(customer),
      Buffer.from([0xff]),
      Buffer.from(`,F,${merchant},1\n`),
    ]);
    const head = 'customer,gender,merchant,amount\n';
    await writeFile(
      join(folder, 'transactions.csv'),
      Buffer.concat([Buffer.from(head + good.repeat(90) + bad.join('')), invalid]),
    );
    await writeFile(
      join(folder, 'importance.csv'),
      `Source,Target,Weight\n${customer},${merchant},${amount}\n${customer},${merchant},${badAmount}\n`,
    );
    await writeFile(join(folder, 'open-quote.csv'), `${head}${good}"${customer},F,${merchant},${amount}\n`);
  });
  after(async () => {
    isOver = true;
    await watching;
    await embedded?.release();
    await sleep(2500); // the servers go a moment later
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  });

  async function embeddedQuery(text: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(embedded.databaseUrl);
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Looks at all processes, and all sessions, again and again. */
  async function watch(): Promise<void> {
    const client = new pg.Client({ connectionString: embedded.databaseUrl, application_name: 'watcher' });
    await client.connect();
    while (!isOver) {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
          seen.commandLines.add(commandLine);
          // our own processes hold what they were given; their children need not
          if (/^(\S*\/)?(psql|postgres|initdb|sh) |supervisor\.ts/.test(commandLine))
            seen.environments.add(readFileSync(`/proc/${pid}/environ`, 'utf8'));
        } catch {
          continue; // it has ended
        }
      }
      const { rows } = await client.query<{ session: string }>(
        `select concat_ws(' ', application_name, query) as session from pg_stat_activity where application_name <> 'watcher'`,
      );
      for (const { session } of rows) seen.sessions.add(session);
      await sleep(30);
    }
    await client.end();
  }

  const store = () => ({
    S3_BUCKET: embedded.s3!.bucket,
    AWS_ENDPOINT_URL_S3: embedded.s3!.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: embedded.s3!.accessKeyId,
    AWS_SECRET_ACCESS_KEY: embedded.s3!.secretAccessKey,
  });
  const deniedStore = () => ({
    ...store(),
    AWS_ACCESS_KEY_ID: SECRETS.accessKey,
    AWS_SECRET_ACCESS_KEY: SECRETS.secretKey,
    AWS_SESSION_TOKEN: SECRETS.sessionToken,
  });
  const databaseAs = (user: string, password: string, port?: string) => {
    const url = new URL(embedded.databaseUrl!);
    url.username = user;
    url.password = encodeURIComponent(password);
    if (port) url.port = port;
    return url.href;
  };

  /** `by` main alone where nothing but the output is looked at. */
  async function command(
    args: string[],
    code: number,
    env: Record<string, string>,
    by = runProcess,
  ): Promise<void> {
    const result = await by(args, {
      TRANSACTIONS_CSV: join(folder, 'transactions.csv'),
      IMPORTANCE_CSV: join(folder, 'importance.csv'),
      CHUNK_INTERVAL_MS: '0',
      POLL_INTERVAL_MS: '20',
      GAP_TIMEOUT_MS: '100',
      LOG_LEVEL: 'trace',
      ...env,
    });
    const text = result.stdout + result.stderr;
    outputs.push({ command: args.join(' '), text });
    expect(result.code, `${args.join(' ')}: ${text}`).to.equal(code);
  }

  function expectClean(
    what: string,
    text: string,
    secrets = [...Object.values(SECRETS), ...embeddedSecrets],
  ): void {
    for (const secret of secrets)
      for (const form of new Set([secret, encodeURIComponent(secret)]))
        if (text.includes(form)) {
          const at = text.indexOf(form);
          expect.fail(`${what} shows ${form}: ...${text.slice(Math.max(0, at - 200), at + 100)}...`);
        }
  }

  it('stand in no output of commands that work, or meet bad rows', async () => {
    const BANKPULSE_HOME = home;
    await command(['start', '--once'], 0, { BANKPULSE_HOME });
    const { ObjectStore } = await import('../../src/s3/object-store.js');
    const { endpoint, bucket, accessKeyId, secretAccessKey } = embedded.s3!;
    const bucketStore = ObjectStore.open({ endpoint, bucket, credentials: { accessKeyId, secretAccessKey } });
    await bucketStore.put(
      'bankpulse/chunks/chunk-00000002.csv',
      await readFile(join(folder, 'open-quote.csv')),
      'text/csv',
    );
    bucketStore.close();
    await command(['detect', '--once'], 0, { ...store(), DATABASE_URL: embedded.databaseUrl! });
    await command(['status'], 0, { BANKPULSE_HOME }, run);
    await command(['status', '--json'], 0, { BANKPULSE_HOME }, run);
    await command(['quarantine'], 0, { BANKPULSE_HOME }, run);
    await command(['migrate'], 0, { BANKPULSE_HOME }, run);
    const [counts] = await embeddedQuery(
      `select rows_applied::int, rows_rejected::int, chunks_quarantined::int from bankpulse.pipeline_status`,
    );
    expect(counts).to.deep.equal({ rows_applied: 90, rows_rejected: 5, chunks_quarantined: 1 });
    for (const { command: name, text } of outputs) expectClean(name, text);
  });

  it('stand in no output of commands that fail', async () => {
    const rows = { ...deniedStore(), LOG_LEVEL: 'debug' };
    const wrong = databaseAs('bankpulse', SECRETS.password);
    const unreachable = databaseAs('bankpulse', SECRETS.password, '1');
    const powerless = databaseAs('stranger', SECRETS.password);
    for (const args of [['migrate'], ['quarantine', '--retry', 'x']])
      await command(args, 1, { DATABASE_URL: wrong }, run);
    await command(['detect', '--once'], 1, { ...store(), DATABASE_URL: wrong }, run);
    await command(['psql', '-X', '-c', 'select 1'], 2, { ...deniedStore(), DATABASE_URL: wrong });
    await command(['status'], 1, { DATABASE_URL: unreachable }, run);
    await command(
      ['status'],
      1,
      {
        DB_HOST: '127.0.0.1',
        DB_PORT: '1',
        DB_USER: 'bankpulse',
        DB_PASSWORD: SECRETS.password,
      },
      run,
    );
    await command(['detect', '--once'], 1, { ...store(), DATABASE_URL: powerless }, run);
    await command(['produce'], 1, rows, run);
    await command(['start', '--once'], 1, { ...rows, DATABASE_URL: embedded.databaseUrl! }, run);
    await command(['produce'], 1, {
      ...rows,
      AWS_ENDPOINT_URL_S3: `http://u:${SECRETS.password}@127.0.0.1:1`,
    });
    await command(['status'], 2, { DATABASE_URL: `postgres://u:${SECRETS.password}@h:port/x` }, run);
    await command(
      ['status'],
      2,
      { DATABASE_URL: `postgres://u:${SECRETS.password}@h/x?sslrootcert=/none` },
      run,
    );
    for (const { command: name, text } of outputs) expectClean(name, text);
  });

  it('stand in no arguments of any process, in no environment of its children, in no session', async () => {
    const psql = ['psql', '-X', '-A', '-t', '-c', 'select 1 from pg_sleep(0.5)'];
    const places = (process.env.PATH ?? '').split(':').map((place) => join(place, 'psql'));
    if (places.some((place) => existsSync(place))) {
      await command(psql, 0, { ...deniedStore(), DATABASE_URL: databaseAs('stranger', SECRETS.password) });
      expect(
        [...seen.environments].some((text) => text.includes('PGPASSFILE')),
        'psql was seen',
      ).to.be.true;
    }
    expect([...seen.commandLines].filter((line) => /cli\.(ts|cjs) (start|detect|produce)/.test(line))).not.to
      .be.empty;
    expect([...seen.sessions].filter((session) => session.startsWith('bankpulse'))).not.to.be.empty;
    for (const [what, texts] of Object.entries(seen)) expectClean(what, [...texts].join('\n'));
  });

  it('stand in the ledger nowhere but in rejected_rows.line', async () => {
    const chunks = await embeddedQuery('select * from bankpulse.chunks');
    expect(chunks.map(({ status }) => status)).to.include('quarantined');
    expectClean('chunks', JSON.stringify(chunks));
    const rejected = await embeddedQuery(
      'select object_key, line_number, reason from bankpulse.rejected_rows',
    );
    expect(rejected).to.have.length(6);
    expectClean('rejected_rows.reason', JSON.stringify(rejected));
    expectClean(
      'pipeline_status',
      JSON.stringify(await embeddedQuery('select * from bankpulse.pipeline_status')),
    );
  });

  it('stand in no log of the embedded servers, even after errors that quote them', async () => {
    const client = new pg.Client(embedded.databaseUrl);
    await client.connect();
    const { customer, amount, badAmount } = SECRETS;
    const failures: string[] = [];
    const note = (error: pg.DatabaseError) =>
      failures.push(`${error.message} ${error.where} ${error.detail}`);
    await client.query('create temporary table copied (name text primary key, amount numeric)');
    const copying = client.query(copyFrom('copy copied from stdin (format csv)'));
    await pipeline(Readable.from([`${customer},${badAmount}\n`]), copying).catch(note);
    await client
      .query(`insert into copied values ('${customer}', ${amount}), ('${customer}', 1)`)
      .catch(note);
    await client.query('select $1::text::numeric', [badAmount]).catch(note);
    await client.query(`do $$ begin raise warning '${customer}'; end $$`);
    await client.end();
    // they did quote them, to whoever asked
    expect(failures).to.have.length(3);
    expect(failures.join('\n')).to.include(badAmount).and.to.include(customer);

    const logs = readdirSync(home).filter((name) => /\.log/.test(name));
    expect(logs).to.include.members(['postgres.log', 'supervisor.log']);
    for (const name of logs) {
      const text = readFileSync(join(home, name), 'utf8');
      expect(text, name).not.to.equal('');
      expectClean(name, text);
    }
    expect(readFileSync(join(home, 'postgres.log'), 'utf8'), 'refused connections are still told').to.match(
      /FATAL: +password authentication failed/,
    );
  });

  it('lie in files that are closed to others', () => {
    const open: string[] = [];
    const visit = (directory: string): void => {
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        const path = join(directory, entry.name);
        const { mode } = statSync(path);
        if (entry.isDirectory()) {
          // a directory that is closed closes what is in it
          if ((mode & 0o007) !== 0) visit(path);
        } else if ((mode & 0o077) !== 0) open.push(path.slice(home.length + 1));
      }
    };
    visit(home);
    expect(statSync(join(home, 'embedded.json')).mode & 0o777).to.equal(0o600);
    expect(statSync(join(home, 'postgres')).mode & 0o077).to.equal(0);
    for (const file of open) expectClean(file, readFileSync(join(home, file), 'latin1'), embeddedSecrets);
    expect(open.filter((name) => !name.startsWith('s3/'))).to.deep.equal([]);
  });
});
