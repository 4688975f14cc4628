import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import { projectDir } from '../../src/config.js';
import { useDatabase } from '../support/database.js';
import { Command, mainOf, run as runHere, type Ended, type Main } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const HEADER = 'customer,gender,merchant,amount';
/** The rows of three chunks: a big spender, a merchant with one big customer, and a child. */
const CHUNKS = [
  ['rich,F,jeweller,400', ...Array.from({ length: 9 }, () => 'loyal,M,baker,2')],
  ['rich,F,jeweller,150', 'loyal,M,baker,2', 'other,F,baker,3'],
  Array.from({ length: 80 }, () => 'child,F,kiosk,1'),
];

describe('two patterns more, each one file in sql/04_patterns', function () {
  this.timeout(240_000);
  const database = useDatabase('bare');
  let copy: string;
  let s3: TestObjectStore;
  let main: Main;

  before(async () => {
    s3 = await testObjectStore();
    copy = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    for (const name of ['package.json', 'tsconfig.json', 'src', 'sql', 'migrations'])
      await cp(join(projectDir, name), join(copy, name), { recursive: true });
    await symlink(join(projectDir, 'node_modules'), join(copy, 'node_modules'));
    for (const name of ['big_spender.sql', 'one_big_customer.sql'])
      await cp(join(projectDir, 'test/patterns', name), join(copy, 'sql/04_patterns', name));
    await writeFile(join(copy, 'transactions.csv'), [HEADER, ...CHUNKS.flat(), ''].join('\n'));
    await writeFile(join(copy, 'importance.csv'), 'Source,Target,Weight\nloyal,baker,1\n');
    main = await mainOf(copy);
    for (const [place, rows] of CHUNKS.entries()) {
      const key = `bankpulse/chunks/chunk-0000000${place + 1}.csv`;
      await s3.store.put(key, [HEADER, ...rows, ''].join('\n'), 'text/csv');
    }
  });
  after(() => rm(copy, { recursive: true, force: true }));

  const environment = () => ({
    ...s3.env,
    DATABASE_URL: database().url,
    IMPORTANCE_CSV: join(copy, 'importance.csv'),
  });
  const runInCopy = (args: readonly string[]): Promise<Ended> => runHere(args, environment(), main);
  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runInCopy(args);
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).to.equal(0);
    return stdout;
  }

  const ask = async (query: string) =>
    (await database().client.query<unknown[]>({ text: query, rowMode: 'array' })).rows.map((row) =>
      row.join(' '),
    );

  it('are found, told, written and counted', async () => {
    // as users do; the others in this process
    const migrated = await Command.startFromSources(['migrate'], environment(), copy).ended;
    expect(migrated.code, migrated.stderr).to.equal(0);
    const summary = await run('detect', '--once');
    expect(summary).to.match(/^detections {2}4 \(PatId1 0, PatId2 1, PatId3 0, PatId4 1, PatId5 2\)$/m);
    expect(
      await ask('select chunk_no, reason_text from bankpulse.detection_reasons order by detection_id'),
    ).to.deep.equal([
      '2 Customer rich has paid jeweller 550 in all.',
      '2 One customer makes 90.9 % of the 11 transactions at baker.',
      '3 Customer child has paid kiosk often, but little: 80 times, 1.00 on average, 80 in all.',
      '3 One customer makes 100.0 % of the 80 transactions at kiosk.',
    ]);
    const file = await s3.store.getWhole('bankpulse/detections/detections-00000001.csv');
    const rows: string[][] = parse(file!.content);
    expect(rows.slice(1).map((row) => row.slice(2).join(' '))).to.deep.equal([
      'PatId4 THANK rich jeweller',
      'PatId5 DIVERSIFY  baker',
      'PatId2 CHILD child kiosk',
      'PatId5 DIVERSIFY  kiosk',
    ]);
    expect(JSON.parse(await run('status', '--json'))).to.deep.include({
      detections: { PatId1: 0, PatId2: 1, PatId3: 0, PatId4: 1, PatId5: 2 },
    });
  });

  it('are near, compared with other thresholds, and explained', async () => {
    expect(
      await ask(
        `select change, merchant_id, customer_id
         from bankpulse.what_if('PatId4', '{"total_amount_from": 80}')`,
      ),
    ).to.deep.equal(['added kiosk child', 'kept jeweller rich']);
    await database().client.query('begin');
    await database().client.query(
      `update bankpulse.patterns set thresholds = '{"total_amount_from": 85}' where pattern_id = 'PatId4'`,
    );
    expect(
      await ask(
        `select merchant_id, customer_id, missing_text from bankpulse.near_matches where pattern_id = 'PatId4'`,
      ),
    ).to.deep.equal(['kiosk child total amount: 80, at least 85 needed']);
    await database().client.query('rollback');
    expect(
      await ask(
        `select pattern_id, condition, value, threshold, is_met, detected_in_chunk
         from bankpulse.explain_pair('baker', 'other') where pattern_id in ('PatId4', 'PatId5')`,
      ),
    ).to.deep.equal([
      'PatId4 total_amount_from 3 500 false ',
      'PatId5 largest_share_from 0.9091 0.5 true 2',
      'PatId5 merchant_transactions_from 11 10 true 2',
    ]);
  });

  it('are verified, rebuilt and backtested', async () => {
    expect(await run('verify')).to.match(
      /\ndetections {2}4 judged again, 0 taken as given\n[^]*\nNo difference\.\n$/,
    );
    await database().client.query('update bankpulse.merchant_largest_counts set largest_count = 1');
    const damaged = await runInCopy(['verify']);
    expect(damaged.stdout).to.match(
      /\nmerchant_largest_counts, merchant baker: \{"largest_count": 1\}; the replay has \{"largest_count": 10\}\n/,
    );
    expect(await run('rebuild')).to.match(/\nNo difference\.\n$/);
    expect(await run('backtest', 'PatId5', 'merchant_transactions_from=9')).to.match(
      /\n0 added, 0 removed, 1 earlier, 0 later, 1 same\n\nchange +merchant +customer +detected in\nearlier +baker +chunk 1 instead of 2\n$/,
    );
    expect(await run('backtest', 'PatId4', 'total_amount_from=400', '--json')).to.include(
      '"change":"earlier"',
    );
  });

  it('are refused in one line when their file is wrong', async () => {
    const file = join(copy, 'sql/04_patterns/big_spender.sql');
    const right = await readFile(file, 'utf8');
    const fail = async (args: string[], content: string) => {
      await writeFile(file, content);
      const { code, stderr } = await runInCopy(args);
      expect(code).to.equal(1);
      return stderr.split('\n').filter((line) => line.startsWith('error: '));
    };
    expect(await fail(['migrate'], right.replace('stats.total_amount >=', 'stats.total >='))).to.deep.equal([
      'error: sql/04_patterns/big_spender.sql: column stats.total does not exist; correct it and migrate again',
    ]);
    expect(
      await fail(['migrate'], right.replace(`"total_amount_from": 500`, `"total_from": 500`)),
    ).to.deep.equal([
      'error: sql/04_patterns/big_spender.sql: pattern PatId4: function bankpulse.match_big_spender: threshold "total_amount_from" is missing; the row has: total_from; correct it and migrate again',
    ]);
    await writeFile(file, right);
  });

  it('may be kept by the role of mechanism Y', async () => {
    expect(
      await ask(
        `select has_table_privilege('bankpulse_writer', 'bankpulse.merchant_largest_counts', 'insert, update, delete')`,
      ),
    ).to.deep.equal(['true']);
  });
});
