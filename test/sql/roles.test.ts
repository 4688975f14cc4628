import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { connect } from '../../src/database.js';
import { codeOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { migrate } from '../../src/schema.js';
import { SqlFunctions } from '../../src/sql-functions.js';
import { useDatabase, type TestDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

const DENIED = '42501';
const NO_SUCH_TABLE = '42P01';

interface LoginRole {
  name: string;
  client: pg.Client;
}

/**
 * A database for a suite and a login role with a session there; `grants` are what it gets, ROLE and DATABASE
 * standing for the names.
 */
function useDatabaseAsRole(
  template: 'empty' | 'seeded' | 'bare',
  ...grants: string[]
): { database: () => TestDatabase; role: () => LoginRole } {
  const name = `bankpulse_test_role_${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  let client: pg.Client;
  // first of all, since the database is dropped in a hook of its own
  after(async () => {
    await client.end();
    await database().client.query(`drop owned by ${name} cascade; drop role ${name}`);
  });
  const database = useDatabase(template);
  before(async () => {
    const admin = database().client;
    await admin.query(`create role ${name} login password '${password}'`);
    for (const grant of grants)
      await admin.query(grant.replaceAll('ROLE', name).replaceAll('DATABASE', database().name));
    const url = new URL(database().url);
    url.username = name;
    url.password = password;
    client = await connect({ connectionString: url.href });
  });
  return { database, role: () => ({ name, client }) };
}

async function failure(client: pg.Client, query: string): Promise<string | undefined> {
  return client.query(query).then(() => undefined, codeOf);
}

describe('bankpulse_writer', () => {
  const { role } = useDatabaseAsRole('empty', 'grant bankpulse_writer to ROLE');

  it('may do all that mechanism Y does', async () => {
    const { client } = role();
    const driver = await ChunkDriver.start(client);
    await driver.loadWeights([{ customer: 'c', merchant: 'm', weight: 1 }]);
    const chunk = await driver.apply(times(80, { customer: 'c', merchant: 'm' }));
    expect(chunk).to.include({ rowCount: 80, detectionCount: 1 });
    await driver.apply(times(80, { customer: 'c', merchant: 'm' }));
    const object = { key: 'x/9999999.csv', etag: 'x', size: 0 };
    const { functions, runId } = driver;
    await functions.quarantineChunk(runId, object, 'empty');
    expect(await functions.retryQuarantinedChunk(object.key)).to.be.true;
    expect(await functions.unseenObjects([object.key], ['x'])).to.have.length(1);
    expect(await functions.closeBatches(runId, 50, 'd/', true)).to.equal(1);
    await functions.markBatchExported('1');
    await functions.recordListing(runId, 0, null);
    await functions.refreshViews();
    const { rows } = await client.query('select "customerName" from bankpulse.detection_file_rows');
    expect(rows).to.deep.equal([{ customerName: 'c' }]);
    const status = await client.query('select chunks_applied::int from bankpulse.pipeline_status');
    expect(status.rows).to.deep.equal([{ chunks_applied: 2 }]);
    await functions.endRun(runId);
  });

  it('may not change patterns, nor make anything in the schema', async () => {
    const { client } = role();
    expect(await failure(client, `update bankpulse.patterns set is_enabled = false`)).to.equal(DENIED);
    expect(await failure(client, `delete from bankpulse.pipeline_lease`)).to.equal(DENIED);
    expect(await failure(client, `delete from bankpulse.applied_sql_files`)).to.equal(DENIED);
    expect(await failure(client, `create table bankpulse.mine ()`)).to.equal(DENIED);
    expect(await failure(client, `truncate bankpulse.detections`)).to.equal(DENIED);
    expect(await failure(client, `refresh materialized view bankpulse.customer_averages`)).to.equal(DENIED);
  });
});

describe('bankpulse_reader', () => {
  const { database, role } = useDatabaseAsRole('seeded', 'grant bankpulse_reader to ROLE');

  async function relations(kinds: string): Promise<string[]> {
    const { rows } = await database().client.query<{ name: string }>(
      `select relname as name from pg_class
       where relnamespace = 'bankpulse'::regnamespace and position(relkind::text in $1) > 0`,
      [kinds],
    );
    expect(rows).not.to.be.empty;
    return rows.map(({ name }) => `bankpulse.${name}`);
  }

  it('may read every table and view', async () => {
    for (const name of await relations('rvm'))
      expect((await role().client.query(`select * from ${name}`)).fields, name).not.to.be.empty;
  });

  it('may change no table', async () => {
    const { client } = role();
    for (const name of await relations('r')) {
      expect(await failure(client, `insert into ${name} default values`), name).to.equal(DENIED);
      expect(await failure(client, `delete from ${name}`), name).to.equal(DENIED);
      expect(await failure(client, `truncate ${name}`), name).to.equal(DENIED);
    }
    for (const assignment of [
      'patterns set is_enabled = false',
      'runs set ended_at = null',
      'pipeline_lease set run_id = null',
      'customer_merchant_stats set gender = gender',
    ])
      expect(await failure(client, `update bankpulse.${assignment}`), assignment).to.equal(DENIED);
  });

  it('may call no function that changes anything', async () => {
    const { client } = role();
    const functions = new SqlFunctions(client);
    for (const call of [
      'register_run()',
      'try_take_over(1)',
      'hold_lease(1)',
      `process_chunk(1, 'k.csv', 'e', 0, 0, 50, 'd/')`,
      `close_batches(1, 50, 'd/', true)`,
      `load_importance(1, 'f', 'h')`,
      `quarantine_chunk(1, 'k.csv', 'e', 0, 'x')`,
      `retry_quarantined_chunk('k.csv')`,
      'record_listing(1, 0, null)',
      'mark_batch_exported(1)',
      'end_run(1)',
      'rebuild_upgrade_candidates()',
      'refresh_views()',
    ])
      expect(await failure(client, `select bankpulse.${call}`), call).to.be.oneOf([DENIED, NO_SUCH_TABLE]);
    expect(await functions.unseenObjects(['1.csv'], ['x']), 'this one only reads').to.have.length(1);
  });
});

describe('a role that may not create roles', () => {
  const { role } = useDatabaseAsRole('bare', 'grant create on database DATABASE to ROLE');

  it('can migrate, and can migrate again', async () => {
    const { client } = role();
    const log = createLog('fatal');
    expect((await migrate(client, log)).migrations).to.include('0001_create_tables');
    expect(await migrate(client, log)).to.deep.equal({ migrations: [], sqlFiles: [] });
    const driver = await ChunkDriver.start(client);
    expect(await driver.apply(times(80, { customer: 'c', merchant: 'm' }))).to.include({ detectionCount: 1 });
    await client.query('select bankpulse.refresh_views()');
  });

  it('is warned once where the roles are missing, and goes on', async () => {
    // on this server they are there by now: the same file for two others, that are not
    const grants = await readFile(new URL('../../sql/0990_grants.sql', import.meta.url), 'utf8');
    const { client, name } = role();
    const missing = `missing_${randomBytes(4).toString('hex')}`;
    const warnings: string[] = [];
    const hear = (notice: { severity?: string | undefined; message?: string | undefined }) =>
      warnings.push(`${notice.severity}: ${notice.message}`);
    client.on('notice', hear);
    await client.query(
      grants.replaceAll('bankpulse_writer', missing).replaceAll('bankpulse_reader', missing),
    );
    client.off('notice', hear);
    expect(warnings).to.deep.equal([
      `WARNING: the roles ${missing} and ${missing} were not set up: ${name} may not create or grant them`,
    ]);
  });
});
