import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { children } from '../support/detector.js';
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js';
import { hasPgBouncer, startPgBouncer, type PgBouncer } from '../support/pgbouncer.js';
import { expectRefusal, run, runPsql } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

describe('behind PgBouncer', () => {
  let postgres: OwnPostgres;
  let s3: TestObjectStore;
  let pooler: PgBouncer | undefined;

  before(async function () {
    if (!hasPgBouncer) {
      process.stderr.write('      not tested: there is no pgbouncer\n');
      this.skip();
    }
    [postgres, s3] = await Promise.all([startOwnPostgres(), testObjectStore()]);
    await writeFile(join(postgres.folder, 'importance.csv'), 'Source,Target,Weight\nC1,shop,1\n');
    await postgres.query(`create database pooled template template0 encoding 'UTF8'`);
    expect(await run(['migrate'], { DATABASE_URL: postgres.url('pooled') })).to.include({ code: 0 });
  });
  after(() => postgres?.stop());

  async function stopPooler(): Promise<void> {
    await pooler?.stop();
    pooler = undefined;
  }

  const environment = () => ({
    ...s3.env,
    LOG_LEVEL: 'warn',
    DATABASE_URL: pooler!.url('pooled'),
    IMPORTANCE_CSV: join(postgres.folder, 'importance.csv'),
    CHUNKS_PREFIX: 'pooled/chunks/',
    DETECTIONS_PREFIX: 'pooled/detections/',
  });

  for (const mode of ['transaction', 'statement'] as const) {
    describe(`that pools ${mode}s`, () => {
      before(async () => {
        pooler = await startPgBouncer(postgres, { mode, size: 10 });
      });
      after(stopPooler);

      for (const args of [['migrate'], ['detect', '--once'], ['verify'], ['seed']])
        it(`${args[0]} says in one line what it needs`, async () => {
          expectRefusal(
            await run(args, environment()),
            /^error: .* is behind a pooler .*connect to the server directly, or through a pool with pool_mode=session$/,
          );
        });

      it('status reads', async () => {
        expect(await run(['status'], environment())).to.include({ code: 0, stderr: '' });
      });
    });
  }

  describe('that pools sessions', () => {
    afterEach(stopPooler);

    it('works with a pool of 6', async () => {
      await s3.store.put('pooled/chunks/chunk_1.csv', children(1, 3), 'text/csv');
      pooler = await startPgBouncer(postgres, { mode: 'session', size: 6 });
      const { code, stdout, stderr } = await run(['detect', '--once'], environment());
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(stdout).to.match(/1 applied/);
      expect(await run(['verify'], environment())).to.include({ code: 0, stderr: '' });
    });

    it('says how many connections it needs where the pool has too few', async () => {
      pooler = await startPgBouncer(postgres, { mode: 'session', size: 3 });
      const refused = await run(['detect', '--once'], { ...environment(), LOG_LEVEL: 'error' });
      expectRefusal(refused, /^error: too few connections: no answer .*mechanism Y needs \d connections/);
    });

    it('psql works without the search path, and says so', async () => {
      pooler = await startPgBouncer(postgres, { mode: 'session', size: 3 });
      const query = ['-X', '-A', '-t', '-c', 'select count(*) from bankpulse.patterns'];
      const { code, stdout, stderr } = await runPsql(query, environment());
      expect({ code, stdout }).to.deep.equal({ code: 0, stdout: '3\n' });
      expect(stderr).to.match(/set search_path = bankpulse, public/);
    });
  });
});
