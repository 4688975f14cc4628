import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { codeOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { migrate, pendingChanges } from '../../src/database/schema.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { useDatabase, type TestDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

const DENIED = '42501';
const NO_SUCH_TABLE = '42P01';

interface LoginRole {
  name: string;
  password: string;
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
  // before useDatabase, whose own hook drops the database afterwards
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
  return { database, role: () => ({ name, password, client }) };
}

async function failure(client: pg.Client, query: string): Promise<string | undefined> {
  return client.query(query).then(() => undefined, codeOf);
}

describe('bankpulse_writer', () => {
  const { database, role } = useDatabaseAsRole('empty', 'grant bankpulse_writer to ROLE');

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
    await functions.recordListing(runId, 0, null, 15_000);
    await functions.refreshViews();
    const { rows } = await client.query('select "customerName" from bankpulse.detection_file_rows');
    expect(rows).to.deep.equal([{ customerName: 'c' }]);
    const status = await client.query('select chunks_applied::int from bankpulse.pipeline_status');
    expect(status.rows).to.deep.equal([{ chunks_applied: 2 }]);
    await functions.endRun(runId);
  });

  /** Every statement that Y's functions can reach, once; what is in the database does not matter. */
  async function useEveryRight(client: pg.Client, round: number): Promise<void> {
    const driver = await ChunkDriver.start(client);
    const { functions, runId } = driver;
    await pendingChanges(client);
    await client.query('select pipeline_id, bucket, owner_key from bankpulse.pipeline');
    await functions.claimPlace(`bucket ${round}`, 'd.owner.json');
    // another file: the rules change, so that candidates are rebuilt and pattern_matches is asked
    await driver.loadWeights([{ customer: 'c', merchant: 'm', weight: round }]);
    const rows = times(80, { customer: `c${round}`, merchant: 'm' });
    await driver.apply(rows);
    await client.query('begin');
    await client.query(
      `insert into pg_temp.staged_records (line_number, line, customer_id, gender, merchant_id, amount)
       values (2, 'c,F,m,x', 'c', 'F', 'm', 'x')`,
    );
    await functions.processChunk({
      runId,
      objectKey: `rights/${round}9.csv`,
      etag: 'e',
      sizeBytes: 0,
      copyMs: 0,
      batchRows: 50,
      detectionsPrefix: 'd/',
    });
    await client.query('commit');
    await functions.noteListedEtag(`rights/${round}9.csv`, 'e', 'listed');
    await functions.closeBatches(runId, 50, 'd/', true);
    await client.query('select * from bankpulse.detection_batches');
    await client.query('select * from bankpulse.detection_file_rows');
    await functions.markBatchExported('1');
    await functions.lastDetectionFileKey('d/');
    await functions.takeOverFile(runId, 1000 * round, `d/${round}.csv`, [
      {
        patternId: 'PatId2',
        MerchantId: 'm',
        customerName: `c${round}`,
        YStartTime: 'x',
        detectionTime: 'x',
      },
    ]);
    const object = { key: `rights/${round}8.csv`, etag: 'x', size: 0 };
    await functions.quarantineChunk(runId, object, 'empty');
    await functions.retryQuarantinedChunk(object.key);
    await functions.unseenObjects([object.key], ['x']);
    await functions.lastObjectNumber();
    await functions.recordListing(runId, 0, null, 15_000);
    await functions.refreshViews();
    await client.query('select * from bankpulse.pipeline_status');
    await functions.endRun(runId);
  }

  it('has no right that mechanism Y can do without', async () => {
    const { client: owner, url } = database();
    // rights on whole tables, and on single columns; not those on views, which people use too
    const { rows: rights } = await owner.query<{ name: string; right: string; column: string | null }>(
      `select relname as name, privilege_type as right, null as column
       from pg_class cross join aclexplode(relacl) as acl
       where
         relnamespace = 'bankpulse'::regnamespace and relkind = 'r' and grantee = 'bankpulse_writer'::regrole
         and relname not in (select unnest(remembers) from bankpulse.patterns) -- patterns may need any
       union all
       select relname, privilege_type, quote_ident(attname)
       from pg_class
       inner join pg_attribute on attrelid = pg_class.oid
       cross join aclexplode(attacl) as acl
       where relnamespace = 'bankpulse'::regnamespace and grantee = 'bankpulse_writer'::regrole`,
    );
    expect(rights).to.have.length.above(40);
    await role().client.query('select pg_advisory_unlock_all()'); // the run of the test before
    const needless: string[] = [];
    let round = 100;
    for (const { name, right, column } of rights) {
      const what = `${right}${column === null ? '' : ` (${column})`} on bankpulse.${name}`;
      // anew: an open transaction, and the lock of the run before, end with their session
      const loginUrl = new URL(url);
      loginUrl.username = role().name;
      loginUrl.password = role().password;
      const writer = await connect({ connectionString: loginUrl.href });
      await owner.query(`revoke ${what} from bankpulse_writer`);
      try {
        await useEveryRight(writer, ++round);
        needless.push(what);
      } catch (error) {
        // a pattern's function that is denied a table says which pattern
        const code = codeOf(error) === 'BP005' ? (error as pg.DatabaseError).detail : codeOf(error);
        expect(code, `${what}: ${String(error)}`).to.be.oneOf([DENIED, `SQLSTATE ${DENIED}`]);
      } finally {
        await owner.query(`grant ${what} to bankpulse_writer`);
        await writer.end();
        await freeOfLock(owner);
      }
    }
    expect(needless).to.deep.equal([]);
  });

  /** Waits until PostgreSQL has freed the lock of a session that has ended. */
  async function freeOfLock(owner: pg.Client): Promise<void> {
    await owner.query('select pg_advisory_lock(4242001), pg_advisory_unlock(4242001)');
  }

  it('may change nothing else: tables and columns, one by one', async () => {
    const { client } = role();
    const { rows } = await database().client.query<{ name: string; column: string; rights: string[] }>(
      `select relname as name, quote_ident(attname) as column, array_remove(array[
         case when has_table_privilege('bankpulse_writer', pg_class.oid, 'insert') then 'insert' end,
         case when has_table_privilege('bankpulse_writer', pg_class.oid, 'delete') then 'delete' end,
         case when has_column_privilege('bankpulse_writer', pg_class.oid, attnum, 'update') then 'update' end
       ], null) as rights
       from pg_class inner join pg_attribute on attrelid = pg_class.oid
       where relnamespace = 'bankpulse'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped`,
    );
    for (const { name, column, rights } of rows) {
      const can = (right: string) => (rights.includes(right) ? 'may' : DENIED);
      const attempts = {
        update: `update bankpulse.${name} set ${column} = default where false`,
        delete: `delete from bankpulse.${name} where false`,
        insert: `insert into bankpulse.${name} (${column}) select null where false`,
      };
      for (const [right, statement] of Object.entries(attempts)) {
        const code = await failure(client, statement);
        // 428C9: an identity's value cannot be given; PostgreSQL checks that after the rights
        expect(code === undefined || code === '428C9' ? 'may' : code, statement).to.equal(can(right));
      }
    }
  });

  it('owns nothing: it may not alter, drop, empty, lock out or make', async () => {
    const { client } = role();
    const { rows } = await database().client.query<{ name: string; kind: string }>(
      `select relname as name, case relkind when 'r' then 'table' when 'v' then 'view' else 'materialized view' end as kind
       from pg_class where relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v', 'm')`,
    );
    for (const { name, kind } of rows) {
      const statements = [
        `drop ${kind} bankpulse.${name} cascade`,
        `alter ${kind} bankpulse.${name} rename to other`,
        ...(kind === 'table'
          ? [
              `truncate bankpulse.${name}`,
              `alter table bankpulse.${name} add column more text`,
              `create trigger mine before insert on bankpulse.${name} for each row execute function suppress_redundant_updates_trigger()`,
              `create index on bankpulse.${name} ((1))`,
            ]
          : [`delete from bankpulse.${name}`]),
        ...(kind === 'materialized view' ? [`refresh materialized view bankpulse.${name}`] : []),
      ];
      for (const statement of statements) {
        const code = await failure(client, statement);
        // 42809, 55000: no role can do this with such a view
        expect(code, statement).to.be.oneOf([DENIED, '42809', '55000']);
      }
    }
    for (const statement of [
      'create table bankpulse.mine ()',
      `create function bankpulse.detect_child(p_thresholds jsonb) returns text language sql return 'x'`,
      'drop schema bankpulse cascade',
      'drop function bankpulse.hold_lease(bigint)',
      'alter function bankpulse.hold_lease(bigint) reset all',
      `update bankpulse.chunks set row_count = 0`,
      `delete from bankpulse.chunks`,
      `delete from bankpulse.detections`,
      `update bankpulse.patterns set thresholds = '{}'`,
      `copy bankpulse.chunks to program 'true'`,
      `alter role bankpulse_writer superuser`,
    ])
      expect(await failure(client, statement), statement).to.equal(DENIED);
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

  it('may change no table, view or column', async () => {
    const { client } = role();
    for (const name of await relations('rvm')) {
      const { fields } = await client.query(`select * from ${name} where false`);
      for (const column of fields.map((field) => `"${field.name}"`)) {
        const statement = `update ${name} set ${column} = default`;
        // the other codes: not even the owner can change such a view or column
        expect(await failure(client, statement), statement).to.be.oneOf([
          DENIED,
          '0A000',
          '42809',
          '428C9',
          '55000',
        ]);
      }
      expect(await failure(client, `insert into ${name} default values`), name).to.be.oneOf([
        DENIED,
        '42809',
        '55000',
      ]);
      expect(await failure(client, `delete from ${name}`), name).to.be.oneOf([DENIED, '42809', '55000']);
      expect(await failure(client, `truncate ${name}`), name).to.be.oneOf([DENIED, '42809']);
      expect(await failure(client, `drop table ${name}`), name).to.be.oneOf([DENIED, '42809']);
    }
    expect(await failure(client, 'create table bankpulse.mine ()')).to.equal(DENIED);
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
      'open_staging(), bankpulse.collect_touched_pairs(), bankpulse.write_touched_pairs(0)',
      'record_listing(1, 0, null)',
      'mark_batch_exported(1)',
      'end_run(1)',
      'forget_remembered()',
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
    // this server has the two roles by now, so the file is applied for two that it does not have
    const grants = await readFile(new URL('../../sql/14_grants/grants.sql', import.meta.url), 'utf8');
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
      `WARNING: the roles ${missing} and ${missing} were not set up: ${name} may not create roles; ` +
        `let a role with createrole run "npm run migrate", or say "create role ${missing} nologin" and "create role ${missing} nologin" ` +
        `and migrate again; until then only the owner of the schema, ${name}, can do what they are for`,
    ]);
  });
});
