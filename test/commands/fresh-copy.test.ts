import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';
import { Command, expectRefusal, mainOf, run as runHere, type Ended, type Main } from '../support/process.js';

/** A bucket that cannot be reached: commands end there. */
const NO_STORE = {
  S3_BUCKET: 'bucket',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
};

describe('a fresh copy of the project', () => {
  let copy: string;
  let main: Main;
  let running: Command | undefined;

  before(async () => {
    copy = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    for (const name of ['package.json', 'tsconfig.json', 'src', 'scripts', 'sql', 'migrations'])
      await cp(join(projectDir, name), join(copy, name), { recursive: true });
    await symlink(join(projectDir, 'node_modules'), join(copy, 'node_modules'));
    main = await mainOf(copy);
  });
  afterEach(async () => {
    await running?.kill();
    for (const name of ['.env', 'config.env', 'data'])
      await rm(join(copy, name), { recursive: true, force: true });
  });
  after(() => rm(copy, { recursive: true, force: true }));

  /** Not as a test: there `.env` is left alone. */
  const asUser = (env: Record<string, string>) => ({ NODE_ENV: '', ...env });
  const run = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
    runHere(args, asUser(env), main);

  /** For embedded servers that cannot be started: commands end there. */
  const noHome = () => ({ BANKPULSE_HOME: join(copy, 'package.json') });

  it('takes its variables from the environment, then .env, then config.env; empty ones are not set', async () => {
    await writeFile(
      join(copy, '.env'),
      'CHUNK_ROWS=many\nGAP_TIMEOUT_MS=20\nBATCH_ROWS=many\nFLUSH_AFTER_MS=\n',
    );
    await writeFile(
      join(copy, 'config.env'),
      'CHUNK_ROWS=many\nGAP_TIMEOUT_MS=many\nFLUSH_AFTER_MS=many\nPOLL_INTERVAL_MS=many\n',
    );
    const { code, stderr } = await run(['start'], { CHUNK_ROWS: '20', BATCH_ROWS: '' });
    const faulty = stderr.match(/(?<=^configuration: )\w+/gm);
    expect(faulty).to.have.members(['BATCH_ROWS', 'FLUSH_AFTER_MS', 'POLL_INTERVAL_MS']);
    expect(code).to.equal(2);
  });

  it('says that its .env cannot be read', async () => {
    await mkdir(join(copy, '.env'));
    const { code, stderr } = await run(['status']);
    expect(stderr).to.match(/^configuration: \.env cannot be read: .*\n$/);
    expect(code).to.equal(2);
  });

  it('generates the input where there is none', async () => {
    const { stderr } = await run(['produce'], noHome());
    expect(stderr).to.match(/generating data\/transactions\.csv and data\/CustomerImportance\.csv/);
    expect(await readdir(join(copy, 'data'))).to.have.members(['transactions.csv', 'CustomerImportance.csv']);
    const again = await run(['produce'], noHome());
    expect(again.stderr).not.to.include('generating');
  });

  it('generates none where one of the two files is there', async () => {
    await mkdir(join(copy, 'data'));
    await writeFile(join(copy, 'data', 'CustomerImportance.csv'), 'Source,Target,Weight\n');
    await run(['produce'], noHome());
    expect(await readdir(join(copy, 'data'))).to.deep.equal(['CustomerImportance.csv']);
  });

  it('generates none for a bucket or a database of somebody', async () => {
    for (const env of [NO_STORE, { DATABASE_URL: 'postgres://127.0.0.1:1/none' }, { PGHOST: '127.0.0.1' }]) {
      const { code, stderr } = await run(['produce'], { ...noHome(), ...env, TRANSACTION_CSV: 'mine.csv' });
      expect(stderr).to.include('TRANSACTION_CSV is set and has no effect: is TRANSACTIONS_CSV meant?');
      expect(stderr).not.to.include('generating');
      expect(code).to.equal(1);
    }
    expect(await readdir(copy)).not.to.include('data');
  });

  it('leaves no half of an input behind when it is stopped meanwhile', async () => {
    running = Command.startFromSources(['start'], asUser(noHome()), copy);
    await running.says('generating');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(await readdir(join(copy, 'data'))).to.deep.equal([]);
    expect(stderr).not.to.include('error');
    expect(code).to.equal(0);
  });

  it('says in a line that the input cannot be written, and what to do', async () => {
    await writeFile(join(copy, 'data'), 'a file where the folder should be');
    const refusal = /^error: the generated files cannot be written: .*npm run generate -- --out FOLDER/;
    expectRefusal(await run(['start'], noHome()), refusal);
    expectRefusal(await runHere(['generate', '--rows', '10', '--out', join(copy, 'data')]), refusal);
  });
});
