import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { connect } from '../../src/database/connection.js';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { csv, until } from '../support/detector.js';
import { ask, startDashboard } from '../support/dashboard.js';
import { Command, run } from '../support/process.js';
import { administer, onDatabase } from '../support/servers.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const CHUNKS = 'bankpulse/chunks/';

/** Each customer thrice; every second chunk comes the careful way: with quotes, and with a row that is rejected. */
function chunk(number: number): string {
  const rows = Array.from({ length: 20 }, (_, index) => {
    const [customer, merchant] = [`C${number}-${index}`, `shop${(index + number) % 9}`];
    return `${number % 2 ? customer : `"${customer}, ""the ${index}th"""`},F,${merchant},1`;
  });
  return csv(...rows, ...rows, ...rows, ...(number % 2 ? [] : ['C1,F,shop1,much']));
}

describeOnCitus('on Citus, an owner who is no superuser, a writer and a reader', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2 });
  let s3: TestObjectStore;
  let folder: string;
  let roles: { owner: string; writer: string; reader: string };
  let lastChunk = 0;

  before(async () => {
    const { name, client } = database();
    s3 = await testObjectStore();
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    const weights = Array.from({ length: 20 }, (_, index) => `"C1-${index}",shop${index % 9},${index}`);
    await writeFile(
      join(folder, 'importance.csv'),
      ['Source,Target,Weight', ...weights, 'C1,shop1,heavy', ''].join('\n'),
    );
    roles = { owner: `${name}_owner`, writer: `${name}_writer`, reader: `${name}_reader` };
    // those that may exist on this server already are of no matter
    await client.query(`create role ${roles.owner} login createdb createrole`);
    await client.query(`alter database ${name} owner to ${roles.owner}`);
    for (const group of ['bankpulse_writer', 'bankpulse_reader'])
      await client.query(
        `do $$ begin if not exists (select from pg_roles where rolname = '${group}') then create role ${group} nologin; end if; end $$`,
      );
    await client.query(`create role ${roles.writer} login in role bankpulse_writer`);
    await client.query(`create role ${roles.reader} login in role bankpulse_reader`);
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    for (const url of [coordinatorUrl, ...database().workers.map((worker) => worker.url)])
      await administer(
        onDatabase(url, 'postgres'),
        ...Object.values(roles).map((role) => `drop role if exists ${role}`),
      );
  });

  const urlOf = (role: keyof typeof roles) => {
    const url = new URL(database().url);
    url.username = roles[role];
    return url.href;
  };
  const envOf = (role: keyof typeof roles) => ({
    ...s3.env,
    DATABASE_URL: urlOf(role),
    IMPORTANCE_CSV: join(folder, 'importance.csv'),
    POLL_INTERVAL_MS: '50',
    LOG_LEVEL: 'warn',
  });
  /** Runs a command to its end, which is to be good; it warns of nothing but rows and weights. @returns what it prints. */
  async function succeed(role: keyof typeof roles, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(args, envOf(role));
    const warnings = stderr
      .split('\n')
      .filter((line) => /"level":[456]0/.test(line) && !/"rejected"|"weighted"/.test(line));
    expect({ code, warnings }, `${args.join(' ')}: ${stdout}${stderr}`).to.deep.equal({
      code: 0,
      warnings: [],
    });
    return stdout;
  }
  async function put(count: number): Promise<void> {
    for (let more = 0; more < count; more++) {
      lastChunk++;
      await s3.store.put(`${CHUNKS}chunk_${lastChunk}.csv`, chunk(lastChunk), 'text/csv');
    }
  }
  const numbers = async () =>
    (
      await database().client.query<Record<string, number>>(
        `select
           (select count(*) from bankpulse.chunks where status = 'applied')::int as chunks,
           (select sum(rejected_count) from bankpulse.chunks)::int as rejected,
           (select count(*) from bankpulse.detections where pattern_id = 'PatId2')::int as children,
           (select count(*) from bankpulse.customer_weights)::int as weights`,
      )
    ).rows[0];

  it('distribute a database that has worked, and go on', async () => {
    expect(await succeed('owner', 'migrate')).to.include('0001_create_tables');
    await database().client.query(
      `update bankpulse.patterns set thresholds = thresholds || '{"transactions_from": 3}' where pattern_id = 'PatId2'`,
    );
    await put(2);
    await succeed('writer', 'detect', '--once');
    expect(await succeed('owner', 'distribute', '--shards', '4')).to.match(
      /^Distributed over 2 workers in 4 shards:\n {2}customer_merchant_stats\n[^]*bankpulse_lane_8\n$/,
    );
    expect(await succeed('owner', 'migrate')).to.equal('The schema is up to date.\n');
    expect(await succeed('owner', 'distribute')).to.equal(
      'The state is distributed over 2 workers in 4 shards already.\n',
    );
    await put(2);
    await succeed('writer', 'detect', '--once');
    expect(await numbers()).to.deep.equal({ chunks: 4, rejected: 2, children: 80, weights: 20 });
  });

  it('load another file of weights, with quotes and a rejected row', async () => {
    await writeFile(
      join(folder, 'importance.csv'),
      'Source,Target,Weight\n"C2-1, ""the 1th""",shop1,3\nC9,"shop\n2",7\nC1,shop1,heavy\n',
    );
    await put(1);
    await succeed('writer', 'detect', '--once');
    const { rows } = await database().client.query<object>(
      'select merchant_id, customer_id, average_weight::float from bankpulse.customer_weights order by merchant_id',
    );
    expect(rows).to.deep.equal([
      { merchant_id: 'shop\n2', customer_id: 'C9', average_weight: 7 },
      { merchant_id: 'shop1', customer_id: 'C2-1, "the 1th"', average_weight: 3 },
    ]);
    expect(await numbers()).to.deep.equal({ chunks: 5, rejected: 2, children: 100, weights: 2 });
  });

  it('read every view, by psql and by the dashboard, and the status', async () => {
    const reading = await connect(readDatabaseUrl(urlOf('reader')).config);
    const { rows: views } = await reading.query<{ name: string }>(
      `select relname as name from pg_class
       where relnamespace = 'bankpulse'::regnamespace and relkind in ('v', 'm') order by relname`,
    );
    expect(views).to.have.length.above(25);
    for (const { name } of views)
      await reading.query(`select * from bankpulse.${name}`).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    await reading.end();
    const dashboard = await startDashboard(readDatabaseUrl(urlOf('reader')).config);
    try {
      const thresholds = encodeURIComponent('{"transactions_from": 1}');
      for (const path of [
        'detections?merchant=shop1&limit=5',
        'merchants?search=shop',
        'merchant?id=shop1',
        'customer?id=C1-0',
        'parts',
        'now?merchant=shop1',
        'now?customer=C1-0',
        'near?pattern=PatId2',
        `what-if?pattern=PatId2&thresholds=${thresholds}`,
        'explanation?merchant=shop1&customer=C1-0',
        'files',
        'file?number=1',
        'problems',
      ]) {
        const { status, body } = await ask(dashboard.port, `/api/${path}`);
        expect(status, `${path}: ${body}`).to.equal(200);
      }
    } finally {
      await dashboard.close();
    }
    expect(JSON.parse(await succeed('reader', 'status', '--json'))).to.deep.include({
      chunks_applied: 5,
      rows_applied: 300,
      rows_rejected: 2,
    });
  });

  it('quarantine an object, and let it be tried again', async () => {
    const key = `${CHUNKS}chunk_${++lastChunk}.csv`;
    await s3.store.put(key, 'customer,amount\n', 'text/csv');
    await run(['detect', '--once'], envOf('writer'));
    expect(await succeed('writer', 'quarantine')).to.include(key);
    await s3.store.put(key, chunk(lastChunk), 'text/csv');
    await succeed('writer', 'quarantine', '--retry', key);
    await succeed('writer', 'detect', '--once');
    expect(await numbers()).to.deep.include({ chunks: 6, rejected: 3, children: 120 });
  });

  it('verify, backtest and prune while mechanism Y works; rebuild when it has ended', async () => {
    const y = Command.start(['detect'], { ...envOf('writer'), LOG_LEVEL: 'info' });
    const feeding = new AbortController();
    const fed = (async () => {
      while (!feeding.signal.aborted) {
        await put(1);
        const wanted = lastChunk;
        await until('the chunk is applied', async () => (await numbers())!.chunks === wanted);
      }
    })();
    fed.catch(() => undefined); // looked at below
    try {
      await y.says('chunk applied');
      expect(await succeed('owner', 'verify')).to.match(/No difference/);
      expect(await succeed('owner', 'backtest', 'PatId2', 'transactions_from=1000')).to.match(/PatId2/);
      expect(await succeed('owner', 'prune', '--older-than', '0')).to.match(/^checkpoint {2}chunk \d+:/);
      const refused = await run(['rebuild'], envOf('owner'));
      expect(refused.stderr).to.match(/^error: mechanism Y is at work/m);
      feeding.abort();
      await fed;
    } finally {
      feeding.abort();
      y.child.kill('SIGTERM');
    }
    const { code, stderr } = await y.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr).not.to.match(/trouble/);
    expect(await succeed('owner', 'rebuild')).to.match(
      /^The state is rebuilt from the ledger\.\n[^]*No difference/,
    );
    await put(2);
    await succeed('writer', 'detect', '--once');
    expect(await succeed('owner', 'verify')).to.match(/No difference/);
  });
});

describeOnCitus('on Citus, npm run seed', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 1, shards: 2 });

  it('fills a distributed database as any other', async () => {
    const { client, url } = database();
    expect(await run(['seed'], { DATABASE_URL: url })).to.deep.include({ code: 0 });
    const rowsOf = async (relation: 'detections' | 'pattern_matches') =>
      (
        await client.query<object>(
          `select pattern_id, merchant_id, customer_id, reason from bankpulse.${relation} order by 1, 2, 3`,
        )
      ).rows;
    expect(await rowsOf('detections')).to.have.length(4);
    expect(await rowsOf('pattern_matches')).to.deep.equal(await rowsOf('detections'));
  });
});
