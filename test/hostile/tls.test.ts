import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { once } from 'node:events';
import { expect } from 'chai';
import { children, csv } from '../support/detector.js';
import { startOwnPostgres, SUPERUSER_PASSWORD, type OwnPostgres } from '../support/own-postgres.js';
import { run, runProcess, runPsql, type Ended } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const openssl = (folder: string, ...args: string[]) =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

/** An authority of the test's own: NAME.crt, NAME.key. */
function makeAuthority(folder: string, name: string): void {
  openssl(
    folder,
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name} of a test`, '-keyout', `${name}.key`, '-out', `${name}.crt`],
  );
}

/** A certificate for these names (`DNS:localhost`), signed by the authority: NAME.crt, NAME.key. */
async function makeCertificate(folder: string, ca: string, name: string, names: string): Promise<void> {
  await writeFile(join(folder, `${name}.ext`), `subjectAltName=${names}\n`);
  openssl(
    folder,
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`],
    ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
  );
  openssl(
    folder,
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial'],
    ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`],
  );
}

/** Ended with this code, and said so in one line beside its log. */
function expectRefusal({ code, stdout, stderr }: Ended, line: RegExp, expected = 1): void {
  const lines = stderr.split('\n').filter((text) => text !== '' && !text.startsWith('{'));
  expect(lines).to.have.length(1);
  expect(`${lines[0]}\n`).to.match(line);
  expect({ code, stdout }).to.deep.equal({ code: expected, stdout: '' });
}

describe('TLS', () => {
  let folder: string;

  before(async function () {
    try {
      execFileSync('openssl', ['version'], { stdio: 'ignore' });
    } catch {
      process.stderr.write('TLS is not tested: openssl is not there to make certificates\n');
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-tls-'));
    makeAuthority(folder, 'ca');
    makeAuthority(folder, 'other-ca');
    await makeCertificate(folder, 'ca', 'server', 'DNS:localhost');
  });
  after(() => folder && rm(folder, { recursive: true, force: true }));
  const file = (name: string) => join(folder, name);

  describe('to PostgreSQL', () => {
    let postgres: OwnPostgres;

    before(async () => {
      postgres = await startOwnPostgres(async (place, own) => {
        for (const name of ['server.crt', 'server.key', 'ca.crt']) {
          await copyFile(file(name), join(place, name));
          own(join(place, name));
        }
        return {
          ssl: 'on',
          ssl_cert_file: join(place, 'server.crt'),
          ssl_key_file: join(place, 'server.key'),
          ssl_ca_file: join(place, 'ca.crt'),
        };
      });
      // nobody comes in without TLS
      const [row] = await postgres.query(`select setting from pg_settings where name = 'hba_file'`);
      const certified = 'hostssl all certified all trust clientcert=verify-full\n';
      await writeFile(row!.setting as string, `${certified}hostssl all all all scram-sha-256\n`);
      await postgres.query('create role certified login');
      await postgres.query('select pg_reload_conf()');
    });
    after(() => postgres?.stop());

    /** At `localhost`, which the certificate holds, unless told otherwise. */
    const url = (query: string, host = 'localhost') =>
      `postgres://postgres:${SUPERUSER_PASSWORD}@${host}:${postgres.port}/postgres${query}`;
    const parts = () => ({
      DB_HOST: 'localhost',
      DB_PORT: String(postgres.port),
      DB_NAME: 'postgres',
      DB_USER: 'postgres',
      DB_PASSWORD: SUPERUSER_PASSWORD,
    });

    it('refuses who comes without', async () => {
      expectRefusal(await run(['migrate'], { DATABASE_URL: url('') }), /^error: .*no encryption.*\n$/);
    });

    it('works with sslmode=verify-full and the file of the CA: migrations, status and pipeline', async () => {
      const DATABASE_URL = url(`?sslmode=verify-full&sslrootcert=${encodeURIComponent(file('ca.crt'))}`);
      const s3 = await testObjectStore();
      await s3.store.put('chunks/chunk_1.csv', children(1, 1), 'text/csv');
      await writeFile(file('importance.csv'), 'Source,Target,Weight\nC1,shop,1\n');
      expect(await run(['migrate'], { DATABASE_URL, LOG_LEVEL: 'warn' })).to.include({ code: 0, stderr: '' });
      const env = {
        ...s3.env,
        DATABASE_URL,
        IMPORTANCE_CSV: file('importance.csv'),
        CHUNKS_PREFIX: 'chunks/',
        DETECTIONS_PREFIX: 'detections/',
      };
      expect(await run(['detect', '--once'], env)).to.include({ code: 0 });
      const { stdout, code } = await run(['status'], { DATABASE_URL });
      expect({ code, applied: /(\d+) applied/.exec(stdout)?.[1] }).to.deep.equal({ code: 0, applied: '1' });
      const [row] = await postgresTls();
      expect(row).to.deep.equal({ ssl: true });
    });

    it('says that the server demands a certificate, and works with one', async () => {
      await makeCertificate(folder, 'ca', 'certified', 'DNS:client');
      await makeCertificate(folder, 'other-ca', 'stranger', 'DNS:client');
      const certified = (name?: string) =>
        `postgres://certified@localhost:${postgres.port}/postgres?sslmode=verify-full&sslrootcert=${file('ca.crt')}` +
        (name ? `&sslcert=${file(`${name}.crt`)}&sslkey=${file(`${name}.key`)}` : '');
      for (const name of [undefined, 'stranger'])
        expectRefusal(
          await run(['status'], { DATABASE_URL: certified(name) }),
          /^error: cannot connect to .*; it demands a certificate of the client that it trusts: sslcert=FILE and sslkey=FILE/,
        );
      const answered = await run(['status'], { DATABASE_URL: certified('certified') });
      expect(answered.stderr).not.to.include('cannot connect');
    });

    it('works with channel_binding=require', async () => {
      const query = `?sslmode=verify-full&sslrootcert=${file('ca.crt')}&channel_binding=require`;
      expect((await run(['status'], { DATABASE_URL: url(query) })).stderr).not.to.include('cannot connect');
    });

    /** Whether a session of ours is encrypted, as the server sees it. */
    async function postgresTls(): Promise<unknown[]> {
      const { default: pg } = await import('pg');
      const { connectionConfig } = await import('../../src/database/connection.js');
      const { loadSettings, databaseSettings } = await import('../../src/config.js');
      process.env.DATABASE_URL = url(`?sslmode=verify-full&sslrootcert=${file('ca.crt')}`);
      try {
        const client = new pg.Client(connectionConfig(loadSettings(databaseSettings)));
        await client.connect();
        const { rows } = await client.query<{ ssl: boolean }>(
          'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
        );
        await client.end();
        return rows;
      } finally {
        delete process.env.DATABASE_URL;
      }
    }

    for (const [what, query] of [
      ['another CA', () => `?sslmode=verify-full&sslrootcert=${file('other-ca.crt')}`],
      ['no CA', () => '?sslmode=verify-full'],
    ] as const) {
      it(`refuses a server whose certificate is not signed by whom it knows (${what}), and says what to do`, async () => {
        expectRefusal(
          await run(['status'], { DATABASE_URL: url(query()) }),
          /^error: cannot connect to .*certificate.*sslrootcert=FILE in DATABASE_URL, or NODE_EXTRA_CA_CERTS=FILE/,
        );
      });
    }

    it('refuses a server whose certificate is for another host', async () => {
      const query = `?sslmode=verify-full&sslrootcert=${file('ca.crt')}`;
      expectRefusal(
        await run(['status'], { DATABASE_URL: url(query, '127.0.0.1') }),
        /^error: cannot connect to .*for another host: use a name that it holds/,
      );
    });

    it('says which file of the URL cannot be read', async () => {
      expectRefusal(
        await run(['status'], { DATABASE_URL: url('?sslmode=verify-full&sslrootcert=/none/ca.crt') }),
        /^configuration: DATABASE_URL cannot be used: .*\/none\/ca\.crt/,
        2,
      );
    });

    it('takes sslmode=require for verify-full, as pg does, and says so; no-verify verifies nothing', async () => {
      // as a process: the warning comes once in the life of one
      const refused = await runProcess(['status'], { DATABASE_URL: url('?sslmode=require') });
      expect(refused).to.include({ code: 1, stdout: '' });
      expect(refused.stderr).to.match(/\nerror: .*certificate/);
      expect(refused.stderr).to.match(/treated as aliases for 'verify-full'/);
      expect(
        await run(['status'], { DATABASE_URL: url(`?sslmode=require&sslrootcert=${file('ca.crt')}`) }),
      ).to.include({ code: 0 });
      for (const query of ['?sslmode=no-verify', '?sslmode=require&uselibpqcompat=true'])
        expect(await run(['status'], { DATABASE_URL: url(query) })).to.include({ code: 0 });
    });

    it('works with DB_HOST by PGSSLMODE and NODE_EXTRA_CA_CERTS; PGSSLROOTCERT is not read', async () => {
      const verified = { ...parts(), PGSSLMODE: 'verify-full', LOG_LEVEL: 'warn' };
      // Node reads NODE_EXTRA_CA_CERTS when a process starts
      expect(await runProcess(['status'], { ...verified, NODE_EXTRA_CA_CERTS: file('ca.crt') })).to.include({
        code: 0,
        stderr: '',
      });
      expectRefusal(
        await run(['status'], { ...verified, PGSSLROOTCERT: file('ca.crt') }),
        /certificate.*NODE_EXTRA_CA_CERTS=FILE in the environment/,
      );
      expectRefusal(
        await runProcess(['status'], {
          ...verified,
          DB_HOST: '127.0.0.1',
          NODE_EXTRA_CA_CERTS: file('ca.crt'),
        }),
        /for another host/,
      );
    });

    describe('by psql', () => {
      const query = ['-X', '-A', '-t', '-c', 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'];

      before(function () {
        const places = (process.env.PATH ?? '').split(':').map((place) => join(place, 'psql'));
        if (!places.some((place) => existsSync(place))) {
          process.stderr.write('psql is not tested with TLS: it is not on PATH\n');
          this.skip();
        }
      });

      for (const [what, env] of [
        ['sslrootcert', () => ({ DATABASE_URL: url(`?sslmode=verify-full&sslrootcert=${file('ca.crt')}`) })],
        [
          'NODE_EXTRA_CA_CERTS',
          () => ({ ...parts(), PGSSLMODE: 'require', NODE_EXTRA_CA_CERTS: file('ca.crt') }),
        ],
        ['no-verify', () => ({ DATABASE_URL: url('?sslmode=no-verify') })],
        [
          'no-verify by PGSSLMODE, whatever PGSSLROOTCERT names',
          () => ({ ...parts(), PGSSLMODE: 'no-verify', PGSSLROOTCERT: file('other-ca.crt') }),
        ],
      ] as const) {
        it(`works with ${what}`, async () => {
          expect(await runPsql(query, env())).to.include({ code: 0, stdout: 't\n' });
        });
      }

      it('works with no-verify where the home holds roots of another CA, and reads what else the home holds', async () => {
        await mkdir(file('home/.postgresql'), { recursive: true });
        await copyFile(file('other-ca.crt'), file('home/.postgresql/root.crt'));
        await writeFile(file('home/.psqlrc'), '\\qecho read\n');
        const env = { DATABASE_URL: url('?sslmode=no-verify'), HOME: file('home') };
        expect(await runPsql(query, env)).to.include({ code: 0, stdout: 't\n' });
        const withFile = query.filter((argument) => argument !== '-X');
        expect(await runPsql(withFile, env)).to.include({ code: 0, stdout: 'read\nt\n' });
        const verified = { ...env, DATABASE_URL: url('?sslmode=verify-full') };
        expect((await runProcess(['psql', ...query], verified)).stderr).to.match(/certificate/);
      });

      for (const [what, env] of [
        ['another CA', () => ({ DATABASE_URL: url(`?sslmode=require&sslrootcert=${file('other-ca.crt')}`) })],
        [
          'another host',
          () => ({
            DATABASE_URL: url(`?sslmode=verify-full&sslrootcert=${file('ca.crt')}`, '127.0.0.1'),
          }),
        ],
      ] as const) {
        it(`refuses ${what}, as the other commands do`, async () => {
          const refused = await runProcess(['psql', ...query], env());
          expect(refused.code).not.to.equal(0);
          expect(refused.stderr).to.match(/certificate/);
        });
      }
    });
  });

  describe('to an object store', () => {
    let s3: TestObjectStore;
    let proxy: Server;
    let connections = 0;

    before(async () => {
      s3 = await testObjectStore();
      const { hostname, port } = new URL(s3.endpoint);
      const identity = { key: readFileSync(file('server.key')), cert: readFileSync(file('server.crt')) };
      proxy = createServer(identity, (socket) => {
        const behind = connect(Number(port), hostname);
        for (const [one, other] of [
          [socket, behind],
          [behind, socket],
        ] as const) {
          one.on('error', () => other.destroy());
          one.pipe(other);
        }
      });
      proxy.on('connection', () => connections++);
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      await writeFile(file('transactions.csv'), csv('C1,F,shop,1', 'C2,M,shop,2'));
    });
    after(() => proxy?.close());

    const environment = (host = 'localhost'): Record<string, string> => ({
      ...s3.env,
      AWS_ENDPOINT_URL_S3: `https://${host}:${(proxy.address() as AddressInfo).port}`,
      TRANSACTIONS_CSV: file('transactions.csv'),
      CHUNKS_PREFIX: 'tls/',
    });

    it('works with the file of the CA in NODE_EXTRA_CA_CERTS', async () => {
      const produced = await runProcess(['produce'], {
        ...environment(),
        NODE_EXTRA_CA_CERTS: file('ca.crt'),
      });
      expect(produced).to.include({ code: 0, stdout: '1 chunks, 2 rows: 1 written, 0 were there\n' });
      expect(await s3.store.has('tls/chunk-00000001.csv')).to.be.true;
    });

    it('refuses it without, in one line that says what to do, and does not go on trying', async () => {
      for (const [by, env] of [
        [run, environment()],
        // which Node reads when a process starts
        [runProcess, { ...environment(), NODE_EXTRA_CA_CERTS: file('other-ca.crt') }],
        // a variable of other SDKs, which that for JavaScript does not read
        [run, { ...environment(), AWS_CA_BUNDLE: file('ca.crt') }],
      ] as const) {
        connections = 0;
        expectRefusal(
          await by(['produce'], env),
          /^error: https:\/\/localhost:\d+ cannot be trusted .*NODE_EXTRA_CA_CERTS=FILE/,
        );
        expect(connections).to.be.within(1, 3);
      }
    });

    it('refuses a certificate for another host', async () => {
      expectRefusal(
        await runProcess(['produce'], { ...environment('127.0.0.1'), NODE_EXTRA_CA_CERTS: file('ca.crt') }),
        /cannot be trusted .*for another host: use a name that it holds/,
      );
    });
  });
});
