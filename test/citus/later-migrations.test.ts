import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { lockElection } from '../../src/database/advisory-locks.js';
import { withoutLanes } from '../../src/database/lanes.js';
import { migrate, pendingChanges } from '../../src/database/schema.js';
import { createLog } from '../../src/log.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { children } from '../support/detector.js';
import { Command } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const STAGING = join('sql', '02_staging', 'create_staging_tables.sql');

describeOnCitus('on Citus, a later version', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4 });
  /** A copy of the project that gets a migration more, and other staging tables. */
  let copy: string;
  let s3: TestObjectStore;
  let chunkCount = 0;

  before(async () => {
    s3 = await testObjectStore();
    copy = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    for (const name of ['package.json', 'tsconfig.json', 'src', 'sql', 'migrations'])
      await cp(join(projectDir, name), join(copy, name), { recursive: true });
    await symlink(join(projectDir, 'node_modules'), join(copy, 'node_modules'));
    await writeFile(join(copy, 'importance.csv'), 'Source,Target,Weight\nC1,shop,1\n');
    await database().client.query(
      `update bankpulse.patterns set thresholds = thresholds || '{"transactions_from": 2}' where pattern_id = 'PatId2'`,
    );
  });
  after(() => rm(copy, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    // a process each, since one knows its migrations from its start on
    Command.startFromSources(
      args,
      { ...s3.env, DATABASE_URL: database().url, IMPORTANCE_CSV: join(copy, 'importance.csv') },
      copy,
    ).ended;
  async function succeed(...args: string[]): Promise<void> {
    const { code, stdout, stderr } = await run(...args);
    expect(code, `${args.join(' ')}: ${stdout}${stderr}`).to.equal(0);
  }

  async function change(...replacements: [string, string][]): Promise<void> {
    let content = await readFile(join(copy, STAGING), 'utf8');
    for (const [text, other] of replacements) {
      expect(content).to.include(text);
      content = content.replace(text, other);
    }
    await writeFile(join(copy, STAGING), content);
  }

  /** Y applies a chunk and finds its detections. */
  async function work(): Promise<void> {
    chunkCount++;
    await s3.store.put(`bankpulse/chunks/chunk_${chunkCount}.csv`, children(chunkCount, 3), 'text/csv');
    await succeed('detect', '--once');
    const { rows } = await database().client.query<{ count: number }>(
      'select count(*)::int as count from bankpulse.detections',
    );
    expect(rows[0]?.count).to.equal(3 * chunkCount);
  }

  /** The columns of a lane's table, if each lane has it with these, distributed as the state is. */
  async function columnsOf(table: string): Promise<string[]> {
    const { rows } = await database().client.query<{ columns: string[]; lanes: number }>(
      `select columns, count(*)::int as lanes
       from (
         select array_agg(attname::text order by attnum) as columns
         from pg_class
         inner join pg_namespace on pg_namespace.oid = relnamespace
         inner join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
         where nspname ~ '^bankpulse_lane_' and relname = $1
           and (
             relkind = 'v'
             or (select colocationid from pg_dist_partition where logicalrelid = pg_class.oid)
               = (select colocationid from pg_dist_partition where logicalrelid = 'bankpulse.merchant_stats'::regclass)
           )
         group by pg_class.oid
       ) as tables
       group by columns`,
      [table],
    );
    expect(rows.map(({ lanes }) => lanes)).to.deep.equal([8]);
    return rows[0]!.columns;
  }

  it('alters distributed tables and the staging tables', async () => {
    await work();
    await writeFile(
      join(copy, 'migrations', '9998_notes.sql'),
      `alter table bankpulse.merchant_stats add column note bigint not null default 0;
       alter table bankpulse.customer_merchant_stats add column note text;`,
    );
    await change(
      ['select stats.merchant_id, stats', 'select stats.note, stats.merchant_id, stats'],
      ['placed_gender text', `origin text not null default 'a file', placed_gender text`],
    );

    const working = await connect(database().config);
    await lockElection(working);
    expect((await run('migrate')).stderr).to.match(/mechanism Y is at work, .*: stop it first/);
    await working.end();
    expect(await columnsOf('staged_rows')).not.to.include('origin');

    await succeed('migrate');
    expect(await columnsOf('staged_rows')).to.include('origin');
    expect(await columnsOf('touched_merchants')).to.include('note');
    await work();
  });

  it('drops a column that the lanes read', async () => {
    await writeFile(
      join(copy, 'migrations', '9999_no_notes.sql'),
      // see sql/README.md, "On one PostgreSQL and on Citus"
      `do $$
       begin
         alter table bankpulse.merchant_stats drop column note;
         alter table bankpulse.customer_merchant_stats drop column note;
       end;
       $$;`,
    );
    await change(['select stats.note, ', 'select '], [`origin text not null default 'a file', `, '']);
    await succeed('migrate');
    expect(await columnsOf('staged_rows')).not.to.include('origin');
    expect(await columnsOf('touched_merchants')).not.to.include('note');
    await work();
    await succeed('verify');
  });
});

describeOnCitus('on Citus, a migration that is stopped half-way', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 1, shards: 2 });

  it('is completed by the next, with the lanes and their rights', async () => {
    const { client, config } = database();
    const stopped = await connect(config);
    const failure = new Error('stopped');
    const error: unknown = await withoutLanes(stopped, () => Promise.reject(failure)).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.equal(failure);
    await stopped.end();
    const lanes = async () =>
      (
        await client.query<{ may: boolean }>(
          `select has_table_privilege('bankpulse_writer', pg_class.oid, 'insert') as may
           from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
           where nspname ~ '^bankpulse_lane_' and relname = 'staged_rows'`,
        )
      ).rows.map(({ may }) => may);
    expect(await lanes()).to.deep.equal([]);
    expect((await pendingChanges(client)).sqlFiles).to.include(STAGING.replace(/^sql./, ''));
    await migrate(client, createLog('error'));
    expect(await lanes()).to.deep.equal(Array.from({ length: 8 }, () => true));
    // a session of its own may lead at once
    const next = await connect(config);
    await lockElection(next);
    await next.end();
  });
});
