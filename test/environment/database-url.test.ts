import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { expect } from 'chai';
import { readDatabaseUrl } from '../../src/environment/database-url.js';

describe('readDatabaseUrl', () => {
  const { PGHOST, PGPORT } = process.env;
  beforeEach(() => {
    delete process.env.PGHOST;
    delete process.env.PGPORT;
  });
  after(() => {
    if (PGHOST !== undefined) process.env.PGHOST = PGHOST;
    if (PGPORT !== undefined) process.env.PGPORT = PGPORT;
  });

  function configOf(url: string) {
    const { config, problems } = readDatabaseUrl(url);
    expect(problems, url).to.deep.equal([]);
    return config;
  }
  /** What is wrong with a URL that ends so. */
  const problemsOf = (query: string) => readDatabaseUrl(`postgres://u:secret@h/d${query}`).problems;

  it('reads user, password, host, port and name', () => {
    for (const [url, expected] of [
      ['postgres://u:p@h:5433/d', { user: 'u', password: 'p', host: 'h', port: 5433, database: 'd' }],
      ['postgresql://u@h/d', { user: 'u', password: '', host: 'h', database: 'd' }],
      ['postgres://h', { user: '', host: 'h', database: '' }],
      ['postgres://u:p@[::1]:5433/d', { host: '::1', port: 5433 }],
      [' postgres://u:p@h/d\n', { database: 'd' }],
      [
        'postgres://h/?dbname=d&user=u&password=p&port=5433',
        { user: 'u', password: 'p', port: 5433, database: 'd' },
      ],
      ['postgres://db.example.com:6432/a%2Fb%20c', { host: 'db.example.com', database: 'a/b c' }],
    ] as const)
      expect(configOf(url), url).to.deep.include(expected);
  });

  it('takes escapes for what they stand for, and what is none as it is', () => {
    for (const [written, password] of [
      ['p%40%2F%3A%25', 'p@/:%'],
      ['p%C3%A9', 'pé'],
      ['p%ss', 'p%ss'],
      ['p%FF', 'p%FF'],
      ['p#s:s', 'p#s:s'],
      ['p@ss', 'p@ss'],
    ] as const)
      expect(configOf(`postgres://u:${written}@h/d`), written).to.deep.include({
        password,
        host: 'h',
        database: 'd',
      });
  });

  it('refuses a password with characters that end it, and does not show it', () => {
    for (const url of [
      'postgres://u:pa/55@h/d',
      'postgres://u:1/55@h/d',
      'postgres://u:pa?55@h/d',
      'mysql://u:55@h/d',
      'host=h password=55',
    ]) {
      const { problems } = readDatabaseUrl(url);
      expect(problems, url).to.have.length(1);
      expect(problems[0]).to.match(/must be a URL such as postgres:.*escape special characters as %NN/);
      expect(problems[0]).not.to.include('55');
    }
  });

  it('takes the folder of a socket: as ?host=, escaped in its place, with a port', () => {
    for (const [url, expected] of [
      [
        'postgres://u:p@/d?host=/cloudsql/project:region:instance',
        { host: '/cloudsql/project:region:instance', user: 'u', password: 'p', database: 'd' },
      ],
      ['postgresql:///d?host=/run/pg&port=5433', { host: '/run/pg', port: 5433, database: 'd' }],
      ['postgres://u@%2Frun%2Fpg:5433/d', { host: '/run/pg', port: 5433, user: 'u' }],
      ['postgres://u@localhost/d?host=%2Frun%2Fpg', { host: '/run/pg' }],
    ] as const)
      expect(configOf(url), url).to.deep.include(expected);
  });

  describe('without a host', () => {
    let server: Server | undefined;
    afterEach(() => server?.close());

    it('takes the socket of a server on this machine, as libpq does; else localhost, or PGHOST', async () => {
      const port = 61_234; // nobody's
      const url = `postgresql:///d?port=${port}`;
      expect(configOf(url).host, 'pg then takes localhost').to.equal(undefined);
      server = createServer().listen(`/tmp/.s.PGSQL.${port}`);
      await once(server, 'listening');
      expect(configOf(url).host).to.equal('/tmp');
      process.env.PGHOST = 'elsewhere';
      expect(configOf(url).host).to.equal('elsewhere');
    });
  });

  it('refuses several hosts by name, in either place', () => {
    for (const url of [
      'postgres://u:secret@a:5432,b:5432/d',
      'postgres://u:secret@/d?host=a,b',
      'postgres://a,b/d?target_session_attrs=primary',
    ]) {
      expect(readDatabaseUrl(url).problems, url).to.have.length(1);
      expect(readDatabaseUrl(url).problems[0]).to.match(/^names several hosts; .* name the primary/);
    }
  });

  it('obeys parameters that pg has, and connect_timeout and channel_binding by other names', () => {
    expect(
      configOf(
        'postgres://h/d?application_name=y&options=-c%20geqo%3Doff&connect_timeout=7&lock_timeout=9&sslmode=require&channel_binding=require',
      ),
    ).to.deep.include({
      application_name: 'y',
      options: '-c geqo=off',
      connectionTimeoutMillis: 7000,
      lock_timeout: 9,
      enableChannelBinding: true,
    });
    expect(configOf('postgres://h/d?connect_timeout=0')).not.to.have.property('connectionTimeoutMillis');
  });

  it('takes parameters that change nothing, with the value that changes nothing', () => {
    configOf(
      'postgres://h/d?target_session_attrs=read-write&gssencmode=prefer&client_encoding=UTF8&sslmode=',
    );
    for (const [query, fault] of [
      [
        '?target_session_attrs=standby',
        'has target_session_attrs with a value that BankPulse does not support: remove it',
      ],
      [
        '?client_encoding=latin1',
        'has client_encoding with a value that BankPulse does not support: remove it',
      ],
    ] as const)
      expect(problemsOf(query)).to.deep.equal([fault]);
  });

  it('refuses every other parameter by its name, all at once', () => {
    const names = [
      'sslmod',
      'service',
      'hostaddr',
      'passfile',
      'pgbouncer',
      'schema',
      'keepalives_count',
      'toString',
    ];
    expect(problemsOf(`?${names.map((name) => `${name}=1`).join('&')}`)).to.deep.equal(
      names.map((name) => `has a parameter that BankPulse does not support: "${name}"; remove it`),
    );
  });

  it('refuses values that cannot be meant', () => {
    for (const [query, fault] of [
      ['?sslmode=required', /unknown sslmode/],
      ['?ssl=yes', /unknown ssl/],
      ['?port=0', /port/],
      ['?connect_timeout=5s', /connect_timeout/],
      ['?lock_timeout=5s', /lock_timeout/],
      ['?channel_binding=always', /unknown channel_binding/],
      ['?channel_binding=require', /channel_binding=require, which needs sslmode=verify-full/],
      ['?sslmode=no-verify&channel_binding=require', /which needs sslmode=verify-full/],
      ['?sslmode=verify-full&sslrootcert=/none/ca.crt', /cannot be used: .*\/none\/ca.crt/],
    ] as const) {
      expect(problemsOf(query), query).to.have.length(1);
      expect(problemsOf(query)[0], query).to.match(fault);
    }
  });

  describe('with TLS', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
      await writeFile(join(folder, 'ca+1.crt'), 'roots');
    });
    after(() => rm(folder, { recursive: true }));

    it('reads the mode as pg does: every one verifies, but disable and no-verify', () => {
      for (const [query, ssl] of [
        ['', undefined],
        ['?sslmode=disable', false],
        ['?ssl=false', false],
        ['?sslmode=no-verify', { rejectUnauthorized: false }],
        ['?ssl=no-verify', { rejectUnauthorized: false }],
        ['?sslmode=require&uselibpqcompat=true', { rejectUnauthorized: false }],
        ['?ssl=true', true],
        ['?sslmode=allow', {}],
        ['?sslmode=verify-full', {}],
        ['?sslrootcert=system', {}],
        [`?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(folder, 'ca+1.crt'))}`, { ca: 'roots' }],
      ] as const)
        expect({ ...configOf(`postgres://h/d${query}`) }.ssl, query).to.deep.equal(ssl);
    });
  });
});
