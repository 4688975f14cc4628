import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Kysely } from 'kysely';
import { CompiledQuery } from '../../src/database/kysely.js';
import { openReader } from '../../src/dashboard/reader.js';
import type { DashboardViews } from '../../src/dashboard/dashboard-views.js';
import { codeOf } from '../../src/errors.js';
import { useDatabase } from '../support/database.js';
import { logInto, type LogLine } from '../support/detector.js';

const READ_ONLY = '25006';
const DENIED = '42501';
const CANCELED = '57014';

async function value(views: Kysely<DashboardViews>, query: string): Promise<unknown> {
  const { rows } = await views.executeQuery<{ value: unknown }>(CompiledQuery.raw(query));
  return rows[0]?.value;
}

async function failure(views: Kysely<DashboardViews>, query: string): Promise<string | undefined> {
  return views.executeQuery(CompiledQuery.raw(query)).then(() => undefined, codeOf);
}

describe('the dashboard’s sessions', () => {
  const database = useDatabase('seeded');
  let views: Kysely<DashboardViews>;
  before(() => {
    views = openReader(database().config, logInto([]));
  });
  after(() => views.destroy());

  it('have the reader’s role', async () => {
    expect(await value(views, 'select current_user as value')).to.equal('bankpulse_reader');
  });

  it('can change nothing: not in a transaction of theirs, and not with one that may', async () => {
    expect(await failure(views, 'delete from bankpulse.detections')).to.be.oneOf([READ_ONLY, DENIED]);
    expect(await failure(views, 'create temporary table mine ()')).to.be.oneOf([READ_ONLY, DENIED]);
    await views.connection().execute(async (session) => {
      await session.executeQuery(CompiledQuery.raw('begin read write'));
      expect(await failure(session, 'delete from bankpulse.detections')).to.equal(DENIED);
      await session.executeQuery(CompiledQuery.raw('rollback'));
    });
  });

  it('do not wait for long', async () => {
    expect(await failure(views, 'select pg_sleep(10)')).to.equal(CANCELED);
  });

  it('may read every view and table that the dashboard reads', async () => {
    const { rows } = await database().client.query<{ name: string }>(
      `select relname as name from pg_class
       where
         relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v')
         and (
           relname like 'dashboard%'
           or relname in (
             'chunks', 'detection_batches', 'detection_file_rows', 'detection_reasons', 'merchant_tops',
             'merchants_near_threshold', 'near_matches', 'patterns'
           )
         )`,
    );
    expect(rows).to.have.length.above(10);
    for (const { name } of rows)
      expect(await failure(views, `select * from bankpulse.${name}`), name).to.equal(undefined);
  });
});

describe('the dashboard’s sessions of a login without the reader’s role', () => {
  const name = `bankpulse_test_role_${randomBytes(4).toString('hex')}`;
  // first of all, since the database is dropped in a hook of its own
  after(async () => {
    await views.destroy();
    await database().client.query(`drop owned by ${name} cascade; drop role ${name}`);
  });
  const database = useDatabase('seeded');
  let views: Kysely<DashboardViews>;
  const log: LogLine[] = [];
  before(async () => {
    const password = randomBytes(12).toString('hex');
    await database().client.query(
      `create role ${name} login password '${password}'; grant bankpulse_writer to ${name}`,
    );
    const url = new URL(database().url);
    url.username = name;
    url.password = password;
    const logger = logInto(log);
    logger.level = 'debug';
    views = openReader({ connectionString: url.href }, logger);
  });

  it('read in read-only transactions, and say so once', async () => {
    expect(await value(views, 'select current_user as value')).to.equal(name);
    expect(
      await value(views, 'select chunks_applied::int as value from bankpulse.dashboard_progress'),
    ).to.equal(2);
    expect(await failure(views, 'delete from bankpulse.detections')).to.equal(READ_ONLY);
    await Promise.all([1, 2].map(() => value(views, 'select pg_sleep(0.1)')));
    expect(log.filter(({ msg }) => msg.includes('bankpulse_reader'))).to.have.length(1);
  });
});
