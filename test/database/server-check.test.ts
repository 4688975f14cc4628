import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect } from 'chai';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { connect } from '../../src/database/connection.js';
import { READS, WRITES_IN_SESSIONS, connectOrExplain, type Needs } from '../../src/database/server-check.js';
import { UserError, hasSqlState } from '../../src/errors.js';
import { until } from '../support/detector.js';
import { startOwnPostgres, SUPERUSER_PASSWORD, type OwnPostgres } from '../support/own-postgres.js';
import { expectRefusal, run } from '../support/process.js';

/** What a command says that cannot work with this server. */
async function refusalOf(url: string, needs: Needs = READS): Promise<string> {
  const { config, problems } = readDatabaseUrl(url);
  expect(problems).to.deep.equal([]);
  const error: unknown = await connectOrExplain(config, needs).then(
    async (client) => {
      await client.end();
      expect.fail(`${url} was taken`);
    },
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(UserError);
  return (error as UserError).message;
}

describe('a server that is looked at first', () => {
  describe('that demands what the configuration lacks', () => {
    let postgres: OwnPostgres;

    before(async () => {
      postgres = await startOwnPostgres();
      await postgres.query(`
        create role with_tls login; create role rejected login; create role with_certificate login;
        create role by_password login password '${SUPERUSER_PASSWORD}'; create role no_login;
        create role limited login connection limit 3; create role hurried login;
        alter role hurried set idle_session_timeout = '50ms';
        alter role hurried set idle_in_transaction_session_timeout = '50ms';
        create role reader_only login; alter role reader_only set default_transaction_read_only = on;
      `);
      await postgres.query('create database closed');
      await postgres.query('revoke connect on database closed from public');
      const [row] = await postgres.query(`select setting from pg_settings where name = 'hba_file'`);
      const rules = [
        'hostssl all with_tls all trust',
        'host all with_tls all reject',
        'hostssl all with_certificate all trust clientcert=verify-ca',
        'host all rejected all reject',
        'host all by_password,postgres all scram-sha-256',
        'host all no_login,limited,hurried,reader_only all trust',
      ];
      await writeFile(row!.setting as string, rules.map((rule) => `${rule}\n`).join(''));
      await postgres.query('select pg_reload_conf()');
    });
    after(() => postgres?.stop());

    const url = (role: string, database = 'postgres', query = '') =>
      `postgres://${role}@127.0.0.1:${postgres.port}/${database}${query}`;

    for (const [role, advice] of [
      [
        'with_tls',
        /pg_hba.conf rejects connection .*no encryption; .*only with TLS \(set sslmode=verify-full/,
      ],
      ['rejected', /no encryption; .*only with TLS .*or not from this machine \(its pg_hba.conf\)/],
      ['with_certificate', /no encryption; .*only with TLS/],
      ['unknown', /no pg_hba.conf entry .*no encryption; .*only with TLS/],
      ['by_password', /; it asks for a password, and none is set: set DB_PASSWORD/],
      ['by_password:wrong', /password authentication failed .*; check DB_USER and DB_PASSWORD/],
      ['no_login', /not permitted to log in; use a role that may log in/],
    ] as const)
      it(`names the remedy: ${role}`, async () => {
        expect(await refusalOf(url(role))).to.match(advice);
      });

    it('names the remedy: TLS where the server has none', async () => {
      expect(await refusalOf(url('limited', 'postgres', '?sslmode=no-verify'))).to.match(
        /does not support SSL connections; turn TLS on there, or connect without it \(sslmode=disable/,
      );
    });

    it('names the remedy: a database that is not there, or not for this role', async () => {
      expect(await refusalOf(url('limited', 'nowhere'))).to.match(/does not exist; create it/);
      expect(await refusalOf(url('limited', 'closed'))).to.match(
        /permission denied for database "closed"; let its owner grant connect/,
      );
    });

    it('names the number of connections where the role may have too few', async () => {
      const { config } = readDatabaseUrl(url('limited'));
      // the server may still count a session of the test before
      const connectWhenFree = () =>
        until('the role has a connection free', () =>
          connect(config).catch((error: unknown) => {
            if (!hasSqlState(error, 'tooManyConnections')) throw error;
            return undefined;
          }),
        );
      const others = [await connectWhenFree(), await connectWhenFree(), await connectWhenFree()];
      try {
        expect(await refusalOf(url('limited'))).to.match(
          /too many connections for role "limited"; it may be overloaded, or short of connections: mechanism Y needs \d connections/,
        );
      } finally {
        await Promise.all(others.map((client) => client.end()));
      }
    });

    it('is not needed for what cannot write: default_transaction_read_only', async () => {
      const client = await connectOrExplain(readDatabaseUrl(url('reader_only')).config, READS);
      await client.end();
      expect(await refusalOf(url('reader_only'), WRITES_IN_SESSIONS)).to.match(
        /may only be read: default_transaction_read_only .*alter role reader_only set default_transaction_read_only = off/,
      );
    });

    it('may have short idle timeouts: sessions do without', async () => {
      const client = await connect(readDatabaseUrl(url('hurried')).config);
      try {
        const { rows } = await client.query(
          `select name from pg_settings where name like 'idle%timeout' and setting <> '0'`,
        );
        expect(rows).to.deep.equal([]);
      } finally {
        await client.end();
      }
    });

    it('has a reason for ending an idle session: it is the error of the next query', async () => {
      const client = await connect(readDatabaseUrl(url('hurried')).config);
      await client.query("set idle_session_timeout = '20ms'");
      await new Promise<void>((ended) => client.on('end', ended));
      const error: unknown = await client.query('select').catch((thrown: unknown) => thrown);
      expect(error).to.include({
        message: 'terminating connection due to idle-session timeout',
        code: '57P05',
      });
    });
  });

  describe('that is a standby', () => {
    let postgres: OwnPostgres;

    before(async () => {
      postgres = await startOwnPostgres();
      await postgres.query(`create database banking template template0 encoding 'UTF8'`);
      expect(await run(['migrate'], { DATABASE_URL: postgres.url('banking') })).to.include({ code: 0 });
      await writeFile(join(postgres.folder, 'data', 'standby.signal'), '');
      await postgres.crash(0);
    });
    after(() => postgres?.stop());

    const home = () => ({
      DATABASE_URL: postgres.url('banking'),
      S3_BUCKET: 'none',
      AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
      LOG_LEVEL: 'warn',
    });

    for (const args of [['migrate'], ['seed']])
      it(`is refused by ${args[0]} in one line`, async () => {
        expectRefusal(
          await run(args, home()),
          /^error: .* may only be read: it is a standby; name the primary$/,
        );
      });

    it('is refused by all that writes', async () => {
      expect(await refusalOf(postgres.url('banking'), WRITES_IN_SESSIONS)).to.match(/it is a standby/);
    });

    it('shows its status', async () => {
      expect(await run(['status'], home())).to.include({ code: 0, stderr: '' });
    });
  });

  describe('that is too old', () => {
    let postgres: OwnPostgres | undefined;

    before(async function () {
      const folder = process.env.TEST_POSTGRES_14;
      if (!folder) {
        process.stderr.write('      not tested: TEST_POSTGRES_14 names no PostgreSQL 14\n');
        this.skip();
      }
      postgres = await startOwnPostgres(undefined, folder);
    });
    after(() => postgres?.stop());

    for (const args of [['migrate'], ['status'], ['seed'], ['quarantine']])
      it(`is refused by ${args[0]} in one line`, async () => {
        expectRefusal(
          await run(args, { DATABASE_URL: postgres!.url(), LOG_LEVEL: 'warn' }),
          /^error: database "postgres" at .* is PostgreSQL 14\.\d+; BankPulse needs PostgreSQL 15 or newer$/,
        );
      });
  });

  describe('that is not PostgreSQL', () => {
    let server: Server;
    /** What it answers to any question; undefined: nothing. */
    let answer: Buffer | undefined;

    before(async () => {
      server = createServer((socket) => {
        socket.on('error', () => undefined);
        let isStarted = false;
        socket.on('data', () => {
          if (isStarted) {
            if (answer) socket.write(answer);
            return;
          }
          isStarted = true;
          const ok = Buffer.from([0, 0, 0, 0]);
          socket.write(Buffer.concat([message('R', ok), message('Z', Buffer.from('I'))]));
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    after(() => server?.close());

    const message = (type: string, body: Buffer) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length + 4);
      return Buffer.concat([Buffer.from(type), length, body]);
    };
    /** One row with one text. */
    const text = (value: string) => {
      const count = Buffer.from([0, 1]);
      const column = Buffer.concat([
        Buffer.from('version\0'),
        Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]),
      ]);
      const length = Buffer.alloc(4);
      length.writeInt32BE(Buffer.byteLength(value));
      return Buffer.concat([
        message('T', Buffer.concat([count, column])),
        message('D', Buffer.concat([count, length, Buffer.from(value)])),
        message('C', Buffer.from('SELECT 1\0')),
        message('Z', Buffer.from('I')),
      ]);
    };
    const url = () => `postgres://u:p@127.0.0.1:${(server.address() as AddressInfo).port}/d`;

    it('is named as it names itself', async () => {
      for (const [version, named] of [
        [
          'CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27)',
          /is CockroachDB CCL v23.1.11 .*; BankPulse needs PostgreSQL 15/,
        ],
        [
          'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.28965',
          /is PostgreSQL 8.0.2, Redshift 1.0.28965; /,
        ],
        [
          'PostgreSQL 12.12 (Greenplum Database 7.0.0) on x86_64-pc-linux-gnu, compiled by gcc 9, 64-bit',
          /is PostgreSQL 12.12 \(Greenplum Database 7.0.0\); /,
        ],
      ] as const) {
        answer = text(version);
        expect(await refusalOf(url())).to.match(named);
      }
    });

    it('is told when it knows no version', async () => {
      answer = Buffer.concat([
        message('E', Buffer.from('SERROR\0C42883\0Mfunction version() does not exist\0\0')),
        message('Z', Buffer.from('I')),
      ]);
      expect(await refusalOf(url())).to.match(
        /is not PostgreSQL, and cannot tell its version \(function version/,
      );
    });

    it('or lets the first query wait for ever, is given up', async () => {
      answer = undefined;
      expect(await refusalOf(url())).to.match(
        /no answer to the first query within 5 s; it may be overloaded, or short of connections: mechanism Y needs/,
      );
    });
  });
});
