import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { isAllowedHost } from '../../src/dashboard/hosts.js';
import { readHostPattern } from '../../src/text/hosts.js';
import type { Merchant, Progress } from '../../src/dashboard/payloads.js';
import { ask, EventStream, startDashboard, type RunningDashboard } from '../support/dashboard.js';
import { useDatabase } from '../support/database.js';
import { until } from '../support/detector.js';
import { FlakyLink } from '../support/flaky-link.js';
import { installTestPatterns } from '../support/patterns.js';

const paths = [
  '/',
  '/main.js',
  '/vendor/preact.js',
  '/events',
  '/api/detections',
  '/api/merchants',
  '/api/files',
  '/api/problems',
  '/api/parts',
  '/api/near?pattern=PatId1',
  `/api/what-if?pattern=PatId2&thresholds=${encodeURIComponent('{"transactions_from":3}')}`,
  '/api/explanation?merchant=bazaar&customer=unknown',
];

describe('the dashboard’s server', () => {
  const database = useDatabase('seeded');
  let dashboard: RunningDashboard;
  before(async () => {
    dashboard = await startDashboard(database().config, {
      routes: [
        (server) => void server.get('/added', () => 'by a route'),
        (server) => void server.get('/probe', { config: { isUnderAnyHost: true } }, () => 'alive'),
      ],
    });
  });
  after(() => dashboard.close());

  it('says where it is', () => {
    expect(dashboard.url).to.equal(`http://127.0.0.1:${dashboard.port}/`);
    expect(dashboard.log.map(({ msg }) => msg)).to.deep.equal([`dashboard: ${dashboard.url}`]);
  });

  it('serves the page, its libraries and its data', async () => {
    for (const path of paths.filter((path) => path !== '/events')) {
      const { status, body } = await ask(dashboard.port, path);
      expect(status, path).to.equal(200);
      expect(body, path).not.to.equal('');
    }
  });

  it('serves routes that others add, under the same rules', async () => {
    expect((await ask(dashboard.port, '/added')).body).to.equal('by a route');
    const refused = await ask(dashboard.port, '/added', { headers: { host: 'elsewhere.example' } });
    expect(refused.status).to.equal(403);
  });

  it('answers under any name where a route says so, but only to GET and HEAD', async () => {
    for (const host of ['bankpulse:8080', 'localhost', 'evil.example:1', '_dmarc.bank', '%', ''])
      expect((await ask(dashboard.port, '/probe', { headers: { host } })).body, host).to.equal('alive');
    const { status } = await ask(dashboard.port, '/probe', {
      method: 'HEAD',
      headers: { host: 'bankpulse' },
    });
    expect(status).to.equal(200);
    const posted = await ask(dashboard.port, '/probe', { method: 'POST', headers: { host: 'bankpulse' } });
    expect(posted.status).to.be.oneOf([403, 405]);
  });

  it('answers under this machine’s names with the port, and under no other', async () => {
    const { port } = dashboard;
    for (const host of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST'])
      expect((await ask(port, '/', { headers: { host: `${host}:${port}` } })).status, host).to.equal(200);
    for (const host of [
      `evil.example:${port}`,
      'localhost',
      `localhost:${port + 1}`,
      `localhost.evil.example:${port}`,
      `127.0.0.1.evil.example:${port}`,
      `192.168.0.1:${port}`,
      `localhost:${port}@evil.example`,
    ])
      for (const path of ['/', '/api/merchants', '/events', '/nothing'])
        expect((await ask(port, path, { headers: { host } })).status, `${host} ${path}`).to.be.oneOf([
          403, 400,
        ]);
  });

  it('lets the page load nothing from elsewhere, and run nothing that is not a file', async () => {
    for (const path of ['/', '/main.js', '/api/merchants', '/nothing']) {
      const { headers } = await ask(dashboard.port, path);
      const policy = String(headers['content-security-policy']).split(';');
      expect(policy, path).to.include.members([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]);
      expect(policy.join(), path).not.to.match(/unsafe|data:|https?:|\*/);
      expect(headers['x-content-type-options'], path).to.equal('nosniff');
      expect(headers['access-control-allow-origin'], path).to.equal(undefined);
    }
    const { body } = await ask(dashboard.port, '/');
    expect(body).not.to.match(/<script(?![^>]* src=)|<style|style=| on\w+=|https?:/);
  });

  it('only reads: every other method is refused', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])
      for (const path of [...paths, '/nothing']) {
        const { status, headers } = await ask(dashboard.port, path, { method });
        expect(status, `${method} ${path}`).to.equal(405);
        expect(headers.allow).to.equal('GET, HEAD');
      }
  });

  it('knows no other path', async () => {
    for (const path of [
      '/nothing',
      '/api',
      '/api/',
      '/tsconfig.json',
      '/.env',
      '/../server.ts',
      '/..%2fserver.ts',
      '/%2e%2e/server.ts',
      '/vendor/../../package.json',
      '/vendor/uplot.js/x',
      '//etc/passwd',
      '/api/merchant?id=nobody',
      '/api/customer?id=nobody',
      '/api/file?number=99',
    ])
      expect((await ask(dashboard.port, path)).status, path).to.equal(404);
  });

  it('refuses questions it does not understand', async () => {
    for (const path of [
      '/api/detections?limit=0',
      '/api/detections?limit=501',
      '/api/detections?limit=x',
      '/api/merchants?sort=total_amount',
      `/api/merchants?sort=${encodeURIComponent('merchant_id; drop table chunks')}`,
      '/api/merchants?order=up',
      '/api/merchant',
      '/api/merchant?id=%00',
      `/api/customer?id=${'x'.repeat(1001)}`,
      '/api/file?number=1.5',
      '/api/near',
      '/api/near?pattern=%00',
      '/api/what-if?pattern=PatId1',
      '/api/what-if?thresholds={}',
      `/api/what-if?pattern=PatId1&thresholds=${'x'.repeat(1001)}`,
      '/api/explanation?merchant=bazaar',
      '/api/explanation?customer=unknown',
    ])
      expect((await ask(dashboard.port, path)).status, path).to.equal(400);
  });

  it('says what is wrong with thresholds', async () => {
    const refusal = async (pattern: string, thresholds: string) => {
      const query = new URLSearchParams({ pattern, thresholds }).toString();
      const { status, body } = await ask(dashboard.port, `/api/what-if?${query}`);
      expect(status, thresholds).to.equal(400);
      return (JSON.parse(body) as { error: string }).error;
    };
    expect(await refusal('PatId9', '{}')).to.equal(
      'there is no pattern "PatId9"; there are: PatId1, PatId2, PatId3',
    );
    expect(await refusal('PatId3', '{"men_from": 1}')).to.equal(
      'there is no threshold "men_from" of PatId3; there are: female_customers_above',
    );
    expect(await refusal('PatId3', '{"female_customers_above": "7"}')).to.equal(
      'female_customers_above is "7", which is no number',
    );
    expect(await refusal('PatId3', '{')).to.contain('json');
    expect(await refusal('PatId3', '7')).not.to.equal('');
  });

  it('takes any name for a name', async () => {
    for (const name of [`' or true --`, '%', '_', '\\', '<b>', '\u{1F600}', '"'])
      for (const path of ['/api/merchants?search=', '/api/detections?merchant=']) {
        const { status, body } = await ask(dashboard.port, path + encodeURIComponent(name));
        expect(status, name).to.equal(200);
        expect(JSON.parse(body), name).to.deep.equal(
          path.startsWith('/api/m') ? { merchants: [], count: 0 } : [],
        );
      }
  });

  it('sorts and searches merchants', async () => {
    const list = async (query: string) => {
      const { body } = await ask(dashboard.port, `/api/merchants?${query}`);
      return (JSON.parse(body) as { merchants: Merchant[] }).merchants.map(({ merchant_id }) => merchant_id);
    };
    expect(await list('')).to.deep.equal(['bazaar', 'barber', 'corner-shop']);
    expect(await list('sort=merchant_id&order=asc')).to.deep.equal(['barber', 'bazaar', 'corner-shop']);
    expect(await list('sort=average_amount&order=asc')).to.deep.equal(['corner-shop', 'barber', 'bazaar']);
    expect(await list('search=BA')).to.deep.equal(['bazaar', 'barber']);
  });

  it('shows merchants without their average amount, by transactions, where adding up takes too long', async () => {
    const { client } = database();
    const { rows } = await client.query<{ text: string }>(
      `select pg_get_viewdef('bankpulse.dashboard_merchant_amounts') as text`,
    );
    const define = (text: string) =>
      client.query(`create or replace view bankpulse.dashboard_merchant_amounts as ${text}`);
    await define(
      `select merchant_id, sum(total_amount) as total_amount, 1.5 + length(pg_sleep(10)::text) as average_amount
       from bankpulse.customer_merchant_stats group by merchant_id`,
    );
    try {
      const { status, body } = await ask(
        dashboard.port,
        '/api/merchants?sort=average_amount&order=desc&search=b',
      );
      expect(status).to.equal(200);
      const { merchants, count } = JSON.parse(body) as { merchants: Merchant[]; count: number };
      expect(merchants.map(({ merchant_id, average_amount }) => [merchant_id, average_amount])).to.deep.equal(
        [
          ['bazaar', null],
          ['barber', null],
        ],
      );
      expect(count).to.equal(2);
    } finally {
      await define(rows[0]!.text);
    }
  });

  it('streams what is, asks once for all who listen, and not at all when nobody does', async () => {
    const sessions = async () => {
      const { rows } = await database().client.query<{ asked_at: Date }>(
        `select query_start as asked_at from pg_stat_activity
         where datname = current_database() and application_name = 'bankpulse dashboard'`,
      );
      return rows.map(({ asked_at }) => asked_at.getTime()).sort();
    };
    const streams = Array.from({ length: 5 }, () => new EventStream(dashboard.port));
    try {
      for (const stream of streams)
        await until('it has come', () => Promise.resolve(stream.sections.has('progress')));
      expect(streams[0]!.section<Progress>('progress')).to.include({ chunks_applied: 2, chunks_uploaded: 2 });
      const before = Math.max(...(await sessions()));
      await until('it asks again', async () => Math.max(...(await sessions())) > before);
      expect((await sessions()).length).to.be.at.most(2);
    } finally {
      for (const stream of streams) stream.close();
    }
    await sleep(500); // for a question under way
    const asked = await sessions();
    await sleep(1500);
    expect(await sessions()).to.deep.equal(asked);
  });
});

describe('patterns that take too long to judge', function () {
  this.timeout(60_000);
  const database = useDatabase('seeded');
  let dashboard: RunningDashboard;
  before(async () => {
    const { client, config } = database();
    await installTestPatterns(client);
    await client.query(
      `create or replace function bankpulse.match_big_spender(p_thresholds jsonb)
       returns table (merchant_id text, customer_id text, reason jsonb)
       language sql stable
       begin atomic
         select merchant_id, customer_id, jsonb_build_object('total_amount', length(pg_sleep(10)::text))
         from bankpulse.customer_merchant_stats;
       end`,
    );
    dashboard = await startDashboard(config);
  });
  after(() => dashboard.close());

  it('are given up, which is an answer, and remembered for a while', async () => {
    const slow = [
      '/api/near?pattern=PatId4',
      '/api/what-if?pattern=PatId4&thresholds={}',
      '/api/explanation?merchant=bazaar&customer=unknown',
    ];
    for (const path of slow) {
      const { status, body } = await ask(dashboard.port, path);
      expect([status, JSON.parse(body)], path).to.deep.equal([200, { isTooSlow: true }]);
    }
    // the pause after the last
    await sleep(2500);
    const startedAt = performance.now();
    for (const path of slow)
      expect(JSON.parse((await ask(dashboard.port, path)).body), path).to.deep.equal({ isTooSlow: true });
    expect(performance.now() - startedAt, 'no query runs again').to.be.below(1000);
    expect((await ask(dashboard.port, '/api/near?pattern=PatId2')).status).to.equal(200);
  });
});

describe('the dashboard’s place', () => {
  const database = useDatabase('empty');

  it('is nowhere with port 0', async () => {
    const dashboard = await startDashboard(database().config, { port: 0 });
    expect(dashboard.url).to.equal(undefined);
    expect(dashboard.log).to.deep.equal([]);
    await dashboard.close();
  });

  it('is passed over when its port is taken, which is said', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as import('node:net').AddressInfo;
    const dashboard = await startDashboard(database().config, { port });
    expect(dashboard.url).to.equal(undefined);
    expect(dashboard.log).to.have.length(1);
    expect(dashboard.log[0]).to.include({ reason: `port ${port} is taken` });
    expect(dashboard.log[0]!.msg).to.contain('DASHBOARD_PORT');
    await dashboard.close();
    other.close();
  });

  it('may be one that cannot be had, too', async () => {
    const dashboard = await startDashboard(database().config, { host: '192.0.2.1' });
    expect(dashboard.url).to.equal(undefined);
    expect(dashboard.log[0]!.msg).to.contain('no dashboard');
    await dashboard.close();
  });

  it('says that all can read it where others can reach it', async () => {
    const dashboard = await startDashboard(database().config, { host: '0.0.0.0' });
    await dashboard.close();
    expect(dashboard.log.map(({ msg }) => msg).join()).to.contain(
      'the dashboard has no password: every machine that reaches it can read it',
    );
  });

  it('answers under the hosts that are allowed besides, and says which variable allows another', async () => {
    const allowed = [
      'Bank.Example',
      '*.inner.example',
      'localhost:9090',
      'proxy.example:443',
      '[FD00:0::1]',
      'bücher.example',
    ];
    const dashboard = await startDashboard(database().config, { allowed });
    const answers = (host: string) => ask(dashboard.port, '/', { headers: { host } });
    for (const host of [
      `localhost:${dashboard.port}`,
      `localhost.:${dashboard.port}`,
      'bank.example',
      'bank.example.:1234',
      'a.b.INNER.example:8080',
      'localhost:9090',
      'proxy.example',
      'proxy.example:443',
      '[fd00::1]:1',
      'xn--bcher-kva.example',
    ])
      expect((await answers(host)).status, host).to.equal(200);
    for (const host of [
      'inner.example',
      'xinner.example',
      'bank.example.evil',
      'localhost:9091',
      'proxy.example:8443',
      'evil.example',
    ])
      expect((await answers(host)).status, host).to.equal(403);
    expect(JSON.parse((await answers('evil.example:80')).body)).to.deep.equal({
      error: 'this host name is not served here; to allow it, set DASHBOARD_ALLOWED_HOSTS=evil.example',
    });
    await dashboard.close();
  });

  it('answers under every host if * is allowed', () => {
    const served = { host: '127.0.0.1', port: 80, allowed: [readHostPattern('*')!] };
    for (const host of ['a', 'a.b:1', '[::2]:3', '10.0.0.1'])
      expect(isAllowedHost(host, served), host).to.be.true;
  });

  it('on a wildcard address, also has the names that are addresses: those cannot be made to point here', () => {
    const isServed = (header: string | undefined, host: string, port = 80) =>
      isAllowedHost(header, { host, port, allowed: [] });
    expect(isServed('192.168.0.1:80', '0.0.0.0')).to.be.true;
    expect(isServed('192.168.0.1', '0.0.0.0')).to.be.true;
    expect(isServed('[fe80::1]:8080', '::', 8080)).to.be.true;
    expect(isServed('evil.example:80', '0.0.0.0')).to.be.false;
    expect(isServed('192.168.0.1:81', '0.0.0.0')).to.be.false;
    expect(isServed('192.168.0.1:80', '127.0.0.1')).to.be.false;
    expect(isServed('stats.example:80', 'Stats.example')).to.be.true;
    expect(isServed('[fd00::1]:80', 'fd00::1')).to.be.true;
    expect(isServed(undefined, '127.0.0.1')).to.be.false;
  });
});

describe('a database that is away', () => {
  const database = useDatabase('seeded');
  let link: FlakyLink;
  let dashboard: RunningDashboard;
  before(async () => {
    link = await FlakyLink.open(database().config);
    dashboard = await startDashboard(link.config);
  });
  after(async () => {
    await dashboard.close();
    await link.close();
  });

  it('is told of, and the server lives on until it is back', async () => {
    const stream = new EventStream(dashboard.port);
    const isAway = () => stream.section<{ isAway: boolean }>('database')?.isAway;
    try {
      await until('it is there', () => Promise.resolve(isAway() === false));
      link.cut();
      await until('it is away', () => Promise.resolve(isAway() === true));
      const { status, body } = await ask(dashboard.port, '/api/files');
      expect(status).to.equal(503);
      expect(JSON.parse(body)).to.deep.equal({ error: 'the database does not answer' });
      expect((await ask(dashboard.port, '/')).status, 'the page needs none').to.equal(200);
      link.mend();
      await until('it is back', () => Promise.resolve(isAway() === false));
      expect((await ask(dashboard.port, '/api/files')).status).to.equal(200);
    } finally {
      stream.close();
    }
  });
});

describe('the state of the run on the page', () => {
  const database = useDatabase('empty');

  it('is silent when the session of the working Y is gone, however long a chunk or a pause takes', async () => {
    const { client } = database();
    const state = async () => {
      const { rows } = await client.query<{ run_state: string }>(
        'select run_state from bankpulse.dashboard_progress',
      );
      return rows[0]!.run_state;
    };
    expect(await state()).to.equal('none');
    await client.query('select bankpulse.try_take_over(bankpulse.register_run())');
    await client.query(
      `update bankpulse.runs set started_at = now() - interval '2 h', listed_at = now() - interval '1 h'`,
    );
    expect(await state()).to.equal('waiting');
    const status = async () =>
      (await client.query('select lag_seconds, run_state from bankpulse.pipeline_status')).rows[0] as unknown;
    await client.query(`select bankpulse.record_listing(run_id, 0, null, '1 min') from bankpulse.runs`);
    expect(await status()).to.deep.equal({ lag_seconds: '0', run_state: 'waiting' });
    await client.query(`select bankpulse.record_listing(run_id, 0, null, '0 s') from bankpulse.runs`);
    expect(await status(), 'nobody knows what waits').to.deep.equal({
      lag_seconds: null,
      run_state: 'not_listing',
    });
    await client.query('select bankpulse.try_take_over(run_id) from bankpulse.runs');
    expect(await state(), 'a new term has not listed yet').to.equal('waiting');
    await client.query('select pg_advisory_unlock_all()');
    expect(await state()).to.equal('silent');
    await client.query('select bankpulse.end_run(run_id) from bankpulse.runs');
    expect(await state()).to.equal('ended');
  });
});
