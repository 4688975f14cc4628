import { expect } from 'chai';
import type pg from 'pg';
import { isInTrouble } from '../../src/async/retry.js';
import { connectionConfig, connect, openViews } from '../../src/database/connection.js';
import { READS, connectOrExplain } from '../../src/database/server-check.js';
import { UserError, isTransientDatabaseError } from '../../src/errors.js';
import type { DatabaseSettings } from '../../src/config.js';
import { children, logInto, until, useDetector, type LogLine } from '../support/detector.js';
import { OddStore, refuse } from '../support/odd-store.js';
import { TcpProxy, fatal } from '../support/tcp-proxy.js';

/** Why a server refuses sessions, though it lives. */
const refusals: Record<string, Buffer> = {
  'its disk is full': fatal('XX000', 'could not write init file'),
  'a file of it cannot be read': fatal(
    '58030',
    'could not read file "global/pg_filenode.map": Input/output error',
  ),
  'its memory is full': fatal('53200', 'out of memory'),
  'it has too many clients': fatal('53300', 'sorry, too many clients already'),
  'it starts up': fatal('57P03', 'the database system is starting up'),
  'the database takes no connections': fatal('55000', 'database "d" is not currently accepting connections'),
  'the database is being restored': fatal('3D000', 'database "d" does not exist'),
  'its password service is away': fatal('28P01', 'LDAP authentication failed for user "u"'),
  'its rules are being changed': fatal('28000', 'no pg_hba.conf entry for host "127.0.0.1"'),
  'connecting is revoked for a moment': fatal('42501', 'permission denied for database "d"'),
  // as the postmaster says it, which has no session yet
  'it cannot fork': Buffer.from(
    'Ecould not fork new process for connection: Resource temporarily unavailable\n\0',
  ),
  'a proxy closes the connection': Buffer.alloc(0),
};

describe('a session that is refused', () => {
  const current = useDetector();
  const { put, untilApplied, detections } = current;
  let proxy: TcpProxy;
  let config: pg.ClientConfig;

  beforeEach(async () => {
    const { host, port } = current.database.client;
    proxy = await TcpProxy.start({ host, port });
    const url = new URL(current.database.url);
    url.host = `127.0.0.1:${proxy.port}`;
    config = connectionConfig({ DATABASE_URL: url.href } as DatabaseSettings);
  });
  afterEach(() => proxy.close());

  it('is waited for, whatever the reason, once the work has begun; at the start it is told in one line', async () => {
    for (const [why, refusal] of Object.entries(refusals)) {
      proxy.refuse(refusal);
      const ofClient: unknown = await connect(config).catch((error: unknown) => error);
      expect(isTransientDatabaseError(ofClient), `${why}: ${String(ofClient)}`).to.be.true;
      const views = openViews(config);
      const ofPool: unknown = await views
        .selectFrom('pipeline')
        .selectAll()
        .execute()
        .catch((error: unknown) => error);
      await views.destroy();
      expect(isTransientDatabaseError(ofPool), `${why}, of a pool: ${String(ofPool)}`).to.be.true;
      const atStart: unknown = await connectOrExplain(config, READS).catch((error: unknown) => error);
      expect(atStart, why).to.be.instanceOf(UserError);
      expect((atStart as UserError).message, why).to.match(/^cannot connect to database .*; \w.*$/);
    }
  });

  it('leaves errors of queries as they are: XX000 and 42501 of a statement are not waited for', async () => {
    const client = await connect(config);
    const error: unknown = await client
      .query(`do $$ begin raise exception 'broken' using errcode = 'XX000'; end $$`)
      .catch((thrown: unknown) => thrown);
    expect(isTransientDatabaseError(error)).to.be.false;
    await client.end();
  });

  it('is over once the database answers, though the object store is still away', async () => {
    const odd = await OddStore.start();
    try {
      const lines: LogLine[] = [];
      const says = (text: string) => () => Promise.resolve(lines.some(({ msg }) => msg === text));
      odd.put(current.chunkKey(1), children(1, 1));
      const options = { config, log: logInto(lines), store: odd.open() };
      const detector = current.startDetector({}, options);
      await untilApplied(1);
      odd.oddity = (_, res) => {
        refuse(res, 503, 'ServiceUnavailable');
        return true;
      };
      proxy.refuse(refusals['its password service is away']);
      await until('both are in trouble', () => Promise.resolve(isInTrouble('database')));
      proxy.refuse(undefined);
      await until('the database is well', says('the database works again'));
      expect(isInTrouble('object_store')).to.be.true;
      odd.oddity = () => undefined;
      odd.put(current.chunkKey(2), children(2, 1));
      await untilApplied(2);
      await detector.stop();
      expect(lines.filter(({ msg }) => msg.startsWith('the database')).map(({ msg }) => msg)).to.deep.equal([
        'the database is in trouble; trying again until it works',
        'the database works again',
      ]);
    } finally {
      await odd.stop();
    }
  });

  for (const why of ['its disk is full', 'its password service is away'])
    it(`does not end mechanism Y: ${why}`, async () => {
      const refusal = refusals[why]!;
      const lines: LogLine[] = [];
      await put(1, children(1, 1));
      const detector = current.startDetector({}, { config, log: logInto(lines) });
      await untilApplied(1);
      proxy.refuse(refusal);
      const says = (text: RegExp) => () => Promise.resolve(lines.find(({ msg }) => text.test(msg)));
      await until('the trouble is said', says(/database is in trouble/));
      await put(2, children(2, 1));
      // several attempts
      await until(
        'time passes',
        (
          (since) => () =>
            Promise.resolve(performance.now() > since + 1500)
        )(performance.now()),
      );
      proxy.refuse(undefined);
      await untilApplied(2);
      await detector.stop();
      expect(await detections()).to.have.length(2);
      expect(lines.filter(({ msg }) => /database is in trouble/.test(msg))).to.have.length(1);
    });
});
