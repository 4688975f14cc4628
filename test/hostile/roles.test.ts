import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import { children, csv, rowsOf } from '../support/detector.js';
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js';
import { run, type Ended } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const PASSWORD = 'of-a-stranger';

/**
 * A cluster of its own, where the two roles do not exist at first, and the real commands. `createrole` means
 * something else since PostgreSQL 16, so this is worth running on 15 too.
 */
describe('the pipeline on the server of strangers', () => {
  let postgres: OwnPostgres;
  let s3: TestObjectStore;
  let folder: string;

  before(async () => {
    [postgres, s3] = await Promise.all([startOwnPostgres(), testObjectStore()]);
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    await writeFile(join(folder, 'importance.csv'), 'Source,Target,Weight\nC1,shop,1\nC2,shop,2\nC3,,3\n');
  });
  after(async () => {
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A login role with these attributes. */
  async function makeRole(name: string, attributes = ''): Promise<void> {
    await postgres.query(`create role ${name} login ${attributes} password '${PASSWORD}'`);
  }

  async function makeDatabase(name: string, owner: string): Promise<void> {
    await postgres.query(`create database ${name} owner ${owner} template template0 encoding 'UTF8'`);
  }

  const environment = (database: string, user: string): Record<string, string> => ({
    ...s3.env,
    DATABASE_URL: postgres.url(database, user, PASSWORD),
    IMPORTANCE_CSV: join(folder, 'importance.csv'),
    CHUNKS_PREFIX: `${database}/chunks/`,
    DETECTIONS_PREFIX: `${database}/detections/`,
    POLL_INTERVAL_MS: '20',
    GAP_TIMEOUT_MS: '300',
  });
  const command = (args: string[], database: string, user: string): Promise<Ended> =>
    run(args, { ...environment(database, user), LOG_LEVEL: 'warn' });

  const warnings = ({ stderr }: Ended): string[] =>
    stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { level: number; msg: string })
      .filter(({ level }) => level >= 40)
      .map(({ msg }) => msg);

  /** The one line with which it ended. */
  function errorOf(ended: Ended): string {
    expect(ended).to.include({ code: 1, stdout: '' });
    return ended.stderr
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('{'))
      .join('\n');
  }

  async function failure(client: pg.Client, statement: string): Promise<string | undefined> {
    return client.query(statement).then(
      () => undefined,
      (error: Error & { code?: string }) => error.code ?? error.message,
    );
  }

  /** Everything Y does, with real processes, as `user`; `owner` is who migrated. */
  async function expectPipeline(database: string, user: string): Promise<void> {
    const put = (name: string, content: string) =>
      s3.store.put(`${database}/chunks/${name}`, content, 'text/csv');
    await postgres.query(
      `update bankpulse.patterns set thresholds = thresholds || '{"transactions_from": 2}' where pattern_id = 'PatId2'`,
      database,
    );
    await put('chunk_1.csv', children(1, 60));
    await put('chunk_2.csv', csv('C9,F,shop,1', 'C9,M,shop,x', 'C9,M,shop,2'));
    await put('chunk_3.csv', 'customer,amount\n');
    const detected = await command(['detect', '--once'], database, user);
    expect(detected.stderr).not.to.match(/"level":[456]0.*(denied|trouble|not refreshed)/);
    expect(detected).to.include({ code: 0 });
    expect(detected.stdout).to.match(/2 applied, 0 waiting, 1 quarantined\n.*122 accepted, 1 rejected/);
    expect(detected.stdout).to.match(/detections {2}61 .*\nfiles {7}2 written, 0 to write/);

    const key = `${database}/chunks/chunk_3.csv`;
    expect((await command(['quarantine'], database, user)).stdout).to.include(key);
    await put('chunk_3.csv', children(3, 1));
    expect(await command(['quarantine', '--retry', key], database, user)).to.include({ code: 0, stderr: '' });
    expect(await command(['detect', '--once'], database, user)).to.include({ code: 0 });
    const { stdout } = await command(['status', '--json'], database, user);
    expect(JSON.parse(stdout)).to.deep.include({
      chunks_applied: 3,
      chunks_quarantined: 0,
      rows_applied: 124,
      rows_rejected: 1,
      detections: { PatId1: 0, PatId2: 62, PatId3: 0 },
      batches_exported: 3,
      batches_pending: 0,
    });
    const files: string[] = [];
    for await (const object of s3.store.list(`${database}/detections/`)) {
      files.push(...rowsOf((await s3.store.getWhole(object.key))!.content.toString()));
    }
    expect(files).to.have.length(62);
    expect(new Set(files).size).to.equal(62);
    const [views] = await postgres.query(
      'select sum(transaction_count)::int as transactions from bankpulse.customer_averages',
      database,
    );
    expect(views, 'the views are fresh').to.deep.equal({ transactions: 124 });
  }

  describe('migrated by an owner that may not create roles, where they do not exist', () => {
    before(async () => {
      await makeRole('plain_owner');
      await makeDatabase('plain', 'plain_owner');
    });

    it('gets the schema, with one warning', async () => {
      const migrated = await command(['migrate'], 'plain', 'plain_owner');
      expect(migrated).to.include({ code: 0 });
      expect(warnings(migrated)).to.deep.equal([
        'the roles bankpulse_writer and bankpulse_reader were not set up: plain_owner may not create roles; ' +
          'let a role with createrole run "npm run migrate", or say "create role bankpulse_writer nologin" and ' +
          '"create role bankpulse_reader nologin" and migrate again; ' +
          'until then only the owner of the schema, plain_owner, can do what they are for',
      ]);
      const again = await command(['migrate'], 'plain', 'plain_owner');
      expect(again).to.include({ code: 0, stdout: 'The schema is up to date.\n' });
      expect(warnings(again), 'it is still true').to.deep.equal(warnings(migrated));
    });

    it('runs as the owner', () => expectPipeline('plain', 'plain_owner'));

    it('lets nobody else in', async () => {
      await makeRole('passer_by');
      const refused = await command(['status'], 'plain', 'passer_by');
      expect(refused).to.include({ code: 1, stdout: '' });
      expect(refused.stderr).to.match(/^error: .*grant bankpulse_writer to this role\n$/);
    });

    const rightsOf = async (role: string) => {
      const [row] = await postgres.query(
        `select
           has_table_privilege('${role}', 'bankpulse.chunks', 'select') as reads,
           has_table_privilege('${role}', 'bankpulse.chunks', 'insert') as writes`,
        'plain',
      );
      return row;
    };

    it('gives what was refused as soon as it can: migrate says which role is missing now', async () => {
      await postgres.query('create role bankpulse_writer nologin');
      const half = await command(['migrate'], 'plain', 'plain_owner');
      expect(half).to.include({ code: 0, stdout: 'The schema is up to date.\n' });
      expect(warnings(half)).to.have.length(1);
      expect(warnings(half)[0]).to.match(
        /^the role bankpulse_reader was not set up: plain_owner may not create roles; .* "create role bankpulse_reader nologin" and migrate again/,
      );
      expect(await rightsOf('bankpulse_writer')).to.deep.equal({ reads: true, writes: true });
      await postgres.query('alter role plain_owner createrole');
      expect(await command(['migrate'], 'plain', 'plain_owner')).to.include({ code: 0, stderr: '' });
      expect(await rightsOf('bankpulse_reader')).to.deep.equal({ reads: true, writes: false });
    });

    it('makes the roles again on a server that has lost them, as after a restore on another one', async () => {
      for (const role of ['bankpulse_writer', 'bankpulse_reader']) {
        await postgres.query(`drop owned by ${role}`, 'plain');
        await postgres.query(`drop role ${role}`);
      }
      expect(await command(['migrate'], 'plain', 'plain_owner')).to.include({ code: 0, stderr: '' });
      expect(await rightsOf('bankpulse_writer')).to.deep.equal({ reads: true, writes: true });
    });

    it('names the rights that it may not give, and gives the others', async () => {
      await postgres.query('alter table bankpulse.rejected_rows owner to passer_by', 'plain');
      const migrated = await command(['migrate'], 'plain', 'plain_owner');
      expect(migrated).to.include({ code: 0 });
      expect(warnings(migrated)).to.have.length(1);
      expect(warnings(migrated)[0]).to.match(
        /^these rights are missing, and plain_owner may not give them: .*grant insert, delete on bankpulse\.rejected_rows to bankpulse_writer \(permission denied for table rejected_rows\)/,
      );
      expect(await rightsOf('bankpulse_writer')).to.deep.equal({ reads: true, writes: true });
      await postgres.query(
        'alter table bankpulse.rejected_rows owner to plain_owner; alter role plain_owner nocreaterole',
        'plain',
      );
      for (const role of ['bankpulse_writer', 'bankpulse_reader']) {
        await postgres.query(`drop owned by ${role}`, 'plain');
        await postgres.query(`drop role ${role}`);
      }
    });
  });

  describe('migrated by a role that may create roles, but is no superuser', () => {
    before(async () => {
      await makeRole('chief', 'createrole');
      await makeDatabase('banking', 'chief');
      await makeRole('clerk');
      await makeRole('auditor');
    });

    it('gets the roles, which that role can grant', async () => {
      const migrated = await command(['migrate'], 'banking', 'chief');
      expect(migrated).to.include({ code: 0, stderr: '' });
      const chief = new pg.Client(postgres.url('banking', 'chief', PASSWORD));
      await chief.connect();
      await chief.query('grant bankpulse_writer to clerk');
      await chief.query('grant bankpulse_reader to auditor');
      await chief.end();
    });

    it('runs as a mere member of bankpulse_writer', () => expectPipeline('banking', 'clerk'));

    it('shows a member of bankpulse_reader where it stands, and does nothing for it', async () => {
      const status = await command(['status'], 'banking', 'auditor');
      expect(status).to.include({ code: 0, stderr: '' });
      expect(status.stdout).to.include('3 applied');
      expect(await command(['quarantine'], 'banking', 'auditor')).to.include({ code: 0 });
      for (const args of [['detect', '--once'], ['quarantine', '--retry', 'key'], ['seed']]) {
        const refused = await command(args, 'banking', 'auditor');
        expect(refused, args.join(' ')).to.include({ code: 1, stdout: '' });
        expect(refused.stderr, args.join(' ')).to.match(/(^|\n)error: .*\n$/);
      }
    });

    it('says of each command for which role it is, and who gives what is missing', async () => {
      const says = async (args: string[], user: string) => errorOf(await command(args, 'banking', user));
      expect(await says(['detect', '--once'], 'auditor')).to.match(
        /permission denied for table runs; auditor may only read: grant bankpulse_writer to auditor, to write$/,
      );
      for (const user of ['clerk', 'auditor']) {
        expect(await says(['rebuild'], user)).to.equal(
          `error: ${user} may not empty the state: run this as the owner of the tables, chief`,
        );
        expect(await says(['prune', '--older-than', '0'], user)).to.equal(
          `error: ${user} may not prune the ledger: run this as the owner of the tables, chief`,
        );
      }
      // the audit reads what mechanism Y does without
      const needsReader = /permission denied for table checkpoint; grant bankpulse_reader to clerk$/;
      expect(await says(['prune', '--older-than', '0', '--dry-run'], 'clerk')).to.match(needsReader);
      expect(await says(['backtest', 'PatId2'], 'clerk')).to.match(needsReader);
      expect(await says(['verify'], 'clerk')).to.equal(
        'error: clerk may not create database "banking_verify": let an administrator say "alter role clerk createdb"',
      );
      await postgres.query('alter role clerk createdb');
      expect(await says(['verify'], 'clerk')).to.match(needsReader);
      await postgres.query('grant bankpulse_reader to clerk');
      const verified = await command(['verify'], 'banking', 'clerk');
      expect(verified.stdout).to.match(/No difference\.\n$/);
      expect(verified).to.include({ code: 0 });
      await postgres.query('revoke bankpulse_reader from clerk; alter role clerk nocreatedb');
    });

    it('says who must migrate when a member of bankpulse_writer cannot', async () => {
      await postgres.query(
        `update bankpulse.applied_sql_files set sha256 = 'older' where file_name like '09%'`,
        'banking',
      );
      const refused = await command(['detect', '--once'], 'banking', 'clerk');
      expect(refused).to.include({ code: 1, stdout: '' });
      expect(refused.stderr).to.match(/^error: .*run "npm run migrate" as the owner of the database.*\n$/);
    });

    it('grants anew what a later change makes anew, whoever applies it', async () => {
      // a superuser: what it makes does not fall under the default privileges of `chief`
      expect(
        await run(['migrate'], {
          ...environment('banking', 'chief'),
          DATABASE_URL: postgres.url('banking'),
          LOG_LEVEL: 'warn',
        }),
      ).to.include({ code: 0, stderr: '' });
      const rows = await postgres.query(
        `select relname, rolname from pg_class cross join pg_roles
         where relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v', 'm')
           and rolname in ('bankpulse_reader', 'bankpulse_writer')
           -- of the audit alone
           and not (rolname = 'bankpulse_writer' and relname in ('checkpoint', 'checkpoint_pairs'))
           and not has_table_privilege(rolname, pg_class.oid, 'select')`,
        'banking',
      );
      expect(rows).to.deep.equal([]);
      const detected = await command(['detect', '--once'], 'banking', 'clerk');
      expect(detected).to.include({ code: 0 });
      expect(warnings(detected), 'such as views that could not be refreshed').to.deep.equal([]);
    });

    it('keeps everything the property of the one who migrated first', async () => {
      const owners = await postgres.query(
        `select distinct pg_get_userbyid(owner) as owner
         from (
           select relowner as owner from pg_class where relnamespace = 'bankpulse'::regnamespace
           union all
           select proowner from pg_proc where pronamespace = 'bankpulse'::regnamespace
         ) as objects`,
        'banking',
      );
      expect(owners).to.deep.equal([{ owner: 'chief' }]);
    });

    it('gives the rights again to roles that lost them, as in a database restored without privileges', async () => {
      for (const lost of ['all on all tables in schema bankpulse', 'usage on schema bankpulse'])
        await postgres.query(`revoke ${lost} from bankpulse_writer, bankpulse_reader`, 'banking');
      const refused = await command(['detect', '--once'], 'banking', 'clerk');
      expect(errorOf(refused)).to.match(
        /bankpulse_writer has lost its rights here: run "npm run migrate" as the owner of the database's schema, chief$/,
      );
      expect(errorOf(await command(['status'], 'banking', 'auditor'))).to.match(
        /bankpulse_reader has lost its rights here: run "npm run migrate" as the owner of the database's schema, chief; /,
      );
      expect(await command(['migrate'], 'banking', 'chief')).to.deep.equal({
        code: 0,
        stdout: 'The schema is up to date.\n',
        stderr: '',
      });
      expect(await command(['detect', '--once'], 'banking', 'clerk')).to.include({ code: 0 });
    });

    it('says what a role lacks: membership, or its inheritance', async () => {
      await makeRole('nobody_yet');
      expect(errorOf(await command(['status'], 'banking', 'nobody_yet'))).to.match(
        /permission denied for schema bankpulse; grant bankpulse_writer to nobody_yet \(or bankpulse_reader, to read\)$/,
      );
      await makeRole('heir_without', 'noinherit');
      await postgres.query('grant bankpulse_writer to heir_without');
      expect(errorOf(await command(['detect', '--once'], 'banking', 'heir_without'))).to.match(
        /heir_without does not inherit the rights of bankpulse_writer: alter role heir_without inherit/,
      );
    });

    it('has no default privileges that would show later tables to anybody', async () => {
      expect(await postgres.query('select from pg_default_acl', 'banking')).to.deep.equal([]);
    });
  });

  describe('in a second database of the server, whose owner did not make the roles and may not', () => {
    before(async () => {
      await makeRole('branch_owner');
      await makeDatabase('branch', 'branch_owner');
      await makeRole('branch_clerk');
      await postgres.query('grant bankpulse_writer to branch_clerk');
    });

    it('gets grants to the roles that are there, without a warning', async () => {
      expect(await command(['migrate'], 'branch', 'branch_owner')).to.include({ code: 0, stderr: '' });
    });

    it('runs as a member of bankpulse_writer', () => expectPipeline('branch', 'branch_clerk'));

    it('can be closed to the members of the other, by CONNECT', async () => {
      await postgres.query('revoke connect on database branch from public');
      const refused = await command(['status'], 'branch', 'clerk');
      expect(refused).to.include({ code: 1 });
      expect(refused.stderr).to.match(
        /^error: cannot connect .*permission denied for database "branch".*\n$/,
      );
    });
  });

  describe('where nobody may make temporary tables', () => {
    it('the owner of the database gives bankpulse_writer that right', async () => {
      await makeRole('strict_owner');
      await makeDatabase('strict', 'strict_owner');
      await postgres.query('revoke temporary on database strict from public');
      expect(await command(['migrate'], 'strict', 'strict_owner')).to.include({ code: 0, stderr: '' });
      expect(await command(['detect', '--once'], 'strict', 'clerk')).to.include({ code: 0 });
    });

    it('says what is missing to a role that may not', async () => {
      await postgres.query('revoke temporary on database strict from bankpulse_writer');
      expect(errorOf(await command(['detect', '--once'], 'strict', 'clerk'))).to.match(
        /permission denied to create temporary tables .*; grant temporary on database strict to clerk$/,
      );
    });

    it('another migrating role says in one warning who must', async () => {
      await makeRole('guest_owner');
      await makeDatabase('guest', 'strict_owner');
      await postgres.query('revoke temporary on database guest from public');
      await postgres.query('grant create on database guest to guest_owner');
      const migrated = await command(['migrate'], 'guest', 'guest_owner');
      expect(migrated).to.include({ code: 0 });
      expect(warnings(migrated)).to.deep.equal([
        'bankpulse_writer may not make temporary tables here; its owner must say: grant temporary on database guest to bankpulse_writer',
      ]);
    });
  });

  describe('with a schema made beforehand', () => {
    it('names the right that the first migration needs, and later ones do without', async () => {
      await makeRole('tenant');
      await makeDatabase('house', 'plain_owner');
      await postgres.query('create schema bankpulse authorization tenant', 'house');
      expect(errorOf(await command(['migrate'], 'house', 'tenant'))).to.match(
        /grant create on database house to tenant, or run "npm run migrate" as the owner of the database, plain_owner$/,
      );
      await postgres.query('grant create on database house to tenant');
      expect(await command(['migrate'], 'house', 'tenant')).to.include({ code: 0 });
      await postgres.query('revoke create on database house from tenant');
      expect(await command(['migrate'], 'house', 'tenant')).to.include({ code: 0 });
      expect(errorOf(await command(['migrate'], 'house', 'plain_owner'))).to.match(
        /plain_owner may not change schema bankpulse: run "npm run migrate" as the owner of the database's schema, tenant$/,
      );
    });
  });

  describe('with objects that a stranger has put in the way', () => {
    it('uses its own, whatever temporary table or schema of the session has the same name', async () => {
      const clerk = new pg.Client(postgres.url('banking', 'clerk', PASSWORD));
      await clerk.connect();
      try {
        for (const name of ['chunks', 'customer_averages', 'merchant_gender_counts', 'customer_percentiles'])
          await clerk.query(`create temporary table ${name} (like bankpulse.${name} including all)`);
        await clerk.query(
          `create function pg_temp.now() returns timestamptz language sql return timestamptz '1970-01-01'`,
        );
        await clerk.query('set search_path = pg_temp, bankpulse, public');
        await clerk.query(
          `insert into pg_temp.chunks (object_key, etag, size_bytes, status, quarantined_at, run_id, error)
           values ('k', 'e', 1, 'quarantined', '2026-01-01', 1, 'x')`,
        );
        const { rows } = await clerk.query(`select bankpulse.retry_quarantined_chunk('k') as was_there`);
        expect(rows, 'a definer function reads the ledger').to.deep.equal([{ was_there: false }]);
        expect(await failure(clerk, 'select bankpulse.refresh_views()')).to.be.undefined;
      } finally {
        await clerk.end();
      }
    });

    it('pins the search path of every function that is looked up by name, temporary objects last', async () => {
      // those without one use the session's staging tables, and run with the rights of their caller; an aggregate can have
      // none, nor a text to look names up in
      const rows = await postgres.query(
        `select proname, proconfig from pg_proc
         where pronamespace = 'bankpulse'::regnamespace and prokind <> 'a' and prosqlbody is null
           and not coalesce(proconfig, '{}') @> array['search_path=bankpulse, pg_temp']
           and (
             prosecdef
             or prosrc !~ '\\m(\\w*staging\\w*|staged_\\w+|touched_\\w+|merchant_additions|newly_matching)\\M'
           )`,
        'banking',
      );
      expect(rows).to.deep.equal([]);
    });

    it('lets the transaction of a chunk look for temporary objects last', async () => {
      const rows = await postgres.query(
        `select current_setting('search_path') as path from bankpulse.use_staging()`,
        'banking',
      );
      expect(rows).to.deep.equal([{ path: 'bankpulse, pg_temp' }]);
    });

    it('runs two functions with the rights of their owner, which strangers may not call', async () => {
      const rows = await postgres.query(
        `select proname,
           has_function_privilege('bankpulse_writer', oid, 'execute') as writer,
           has_function_privilege('bankpulse_reader', oid, 'execute') as reader,
           has_function_privilege('auditor', oid, 'execute') as member
         from pg_proc where pronamespace = 'bankpulse'::regnamespace and prosecdef order by proname`,
        'banking',
      );
      const only = { writer: true, reader: false, member: false };
      expect(rows).to.deep.equal([
        { proname: 'refresh_views', ...only },
        { proname: 'retry_quarantined_chunk', ...only },
      ]);
    });
  });
});
