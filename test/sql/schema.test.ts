import { expect } from 'chai';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runner } from 'node-pg-migrate';
import type pg from 'pg';
import { projectDir } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { createLog } from '../../src/log.js';
import { migrate, pendingChanges } from '../../src/database/schema.js';
import { useDatabase } from '../support/database.js';

const log = createLog('error');

/** The first column of a query's rows. */
async function column(client: pg.Client, query: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<[string]>({ text: query, values, rowMode: 'array' });
  return rows.map((row) => String(row[0]));
}

describe('migrating', () => {
  describe('a new database', () => {
    const database = useDatabase('bare');

    it('makes everything the first time and nothing the second', async () => {
      const { client } = database();
      const pending = await pendingChanges(client);
      const first = await migrate(client, log);
      expect(first).to.deep.equal(pending);
      expect(first.migrations).to.include('0001_create_tables');
      expect(first.sqlFiles).to.include('08_ledger/process_chunk.sql');
      expect(first.sqlFiles).to.deep.equal([...first.sqlFiles].sort());
      expect(await pendingChanges(client)).to.deep.equal({ migrations: [], sqlFiles: [] });
      expect(await migrate(client, log)).to.deep.equal({ migrations: [], sqlFiles: [] });
    });
  });

  describe('a new database by two at once', () => {
    const database = useDatabase('bare');

    it('ends well for both: one does the work', async () => {
      const other = await connect(database().config);
      try {
        const results = await Promise.all([migrate(database().client, log), migrate(other, log)]);
        const counts = results.map(({ migrations, sqlFiles }) => [
          migrations.length > 0,
          sqlFiles.length > 0,
        ]);
        expect(counts).to.have.deep.members([
          [true, true],
          [false, false],
        ]);
      } finally {
        await other.end();
      }
    });
  });

  describe('a database of the version before chunks.quarantined_at and rules_history', () => {
    const database = useDatabase('bare');

    it('keeps its ledger: a quarantined object keeps its time, under another name', async () => {
      const { client } = database();
      await runner({
        dbClient: client,
        dir: join(projectDir, 'migrations'),
        direction: 'up',
        count: 2,
        migrationsTable: 'migrations',
        migrationsSchema: 'bankpulse',
        createMigrationsSchema: true,
        logger: {
          debug: () => undefined,
          info: () => undefined,
          warn: () => undefined,
          error: () => undefined,
        },
      });
      await client.query(
        `insert into bankpulse.runs default values;
         insert into bankpulse.chunks (object_key, chunk_no, etag, size_bytes, status, applied_at, run_id, timings, error)
         values
           ('1.csv', 1, 'e', 0, 'applied', '2026-01-01 10:00:00Z', 1, '{"copy": 1, "judge": 2.5}', null),
           ('2.csv', null, 'e', 0, 'quarantined', '2026-01-01 10:00:01Z', 1, null, 'empty');
         update bankpulse.chunks
         set rules_hash = (
           select md5(string_agg(
             jsonb_build_array(pattern_id, action_type, detect_function, thresholds)::text, E'\\n' order by pattern_id
           ))
           from bankpulse.patterns
         )
         where chunk_no = 1`,
      );
      expect((await migrate(client, log)).migrations).to.deep.equal([
        '0003_quarantined_at',
        '0004_pattern_functions',
        '0005_pipeline_identity',
        '0006_chunk_order',
        '0007_listed_etag',
        '0008_files_taken_over',
        '0009_totals',
        '0010_checkpoint',
        '0011_listing_expires_at',
        '0012_former_top_count',
      ]);
      const { rows } = await client.query(
        `select object_key, applied_at, quarantined_at, timings from bankpulse.chunks order by object_key`,
      );
      expect(rows).to.deep.equal([
        {
          object_key: '1.csv',
          applied_at: new Date('2026-01-01T10:00:00Z'),
          quarantined_at: null,
          timings: { copy: 1, accept: 2.5 },
        },
        {
          object_key: '2.csv',
          applied_at: null,
          quarantined_at: new Date('2026-01-01T10:00:01Z'),
          timings: null,
        },
      ]);
      const { rows: totals } = await client.query(
        'select chunks_applied::int, chunks_quarantined::int from bankpulse.pipeline_status',
      );
      expect(totals).to.deep.equal([{ chunks_applied: 1, chunks_quarantined: 1 }]);
    });

    it('keeps the rules that its last chunk was judged by, so that verify can judge it again', async () => {
      const { rows } = await database().client.query(
        `select first_chunk_no::int, patterns -> 'PatId2' as child
         from bankpulse.rules_history
         where rules_hash = (select rules_hash from bankpulse.chunks where chunk_no = 1)`,
      );
      expect(rows).to.deep.equal([
        {
          first_chunk_no: 1,
          child: {
            action_type: 'CHILD',
            match_function: 'match_child',
            thresholds: { transactions_from: 80, average_amount_below: 23 },
          },
        },
      ]);
    });
  });

  describe('a database whose functions are out of date', () => {
    const database = useDatabase('seeded');

    async function forget(fileName: string): Promise<void> {
      const { rowCount } = await database().client.query(
        `update bankpulse.applied_sql_files set sha256 = 'other' where file_name = $1`,
        [fileName],
      );
      expect(rowCount).to.equal(1);
    }

    it('applies the changed file again, and no other but the grants', async () => {
      const { client } = database();
      await client.query(
        `create or replace function bankpulse.last_object_number() returns bigint language sql return 42`,
      );
      await forget('08_ledger/last_object_number.sql');
      const changes = {
        migrations: [],
        sqlFiles: ['08_ledger/last_object_number.sql', '14_grants/grants.sql'],
      };
      expect(await pendingChanges(client)).to.deep.equal(changes);
      expect(await migrate(client, log)).to.deep.equal(changes);
      expect(await column(client, 'select bankpulse.last_object_number()')).to.deep.equal(['null']);
    });

    it('can apply every file again, keeping the data', async () => {
      const { client } = database();
      const found = await column(client, 'select to_jsonb(detections) from bankpulse.detections');
      await client.query(`update bankpulse.applied_sql_files set sha256 = 'other'`);
      const { sqlFiles } = await migrate(client, log);
      expect(sqlFiles.length).to.be.greaterThan(30);
      expect(await column(client, 'select to_jsonb(detections) from bankpulse.detections')).to.deep.equal(
        found,
      );
      expect(await column(client, 'select count(*) > 0 from bankpulse.customer_averages')).to.deep.equal([
        'true',
      ]);
    });

    it('lets the roles read what was made anew', async () => {
      const { client } = database();
      await forget('09_views/customer_averages.sql');
      await migrate(client, log);
      expect(
        await column(
          client,
          `select has_table_privilege(role, 'bankpulse.customer_averages', 'select')
           from unnest(array['bankpulse_reader', 'bankpulse_writer']) as roles (role)`,
        ),
      ).to.deep.equal(['true', 'true']);
    });
  });
});

describe('the schema', () => {
  const database = useDatabase('empty');

  it('describes every table, view and function, every column, and every index that is no constraint', async () => {
    const undescribed = await column(
      database().client,
      `select relname::text from pg_class
       where
         relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v', 'm', 'p')
         and obj_description(oid, 'pg_class') is null
       union all
       select relname || '.' || attname
       from pg_attribute
       inner join pg_class on pg_class.oid = attrelid
       where
         relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v', 'm', 'p')
         and attnum > 0 and not attisdropped and col_description(attrelid, attnum) is null
       union all
       select relname::text from pg_index
       inner join pg_class on pg_class.oid = indexrelid
       where
         relnamespace = 'bankpulse'::regnamespace and obj_description(indexrelid, 'pg_class') is null
         and not exists (select from pg_constraint where conindid = indexrelid)
       union all
       select proname || '()' from pg_proc
       where pronamespace = 'bankpulse'::regnamespace and obj_description(oid, 'pg_proc') is null
       union all
       select 'the schema' where obj_description('bankpulse'::regnamespace, 'pg_namespace') is null`,
    );
    expect(undescribed).to.deep.equal([]);
  });

  it('names its check constraints with sentences', async () => {
    const names = await column(
      database().client,
      `select conname from pg_constraint
       where connamespace = 'bankpulse'::regnamespace and contype = 'c' order by conname`,
    );
    expect(names).to.have.length.greaterThan(10);
    expect(names.filter((name) => !/_(is|are|agree|say)(_|$)/.test(name))).to.deep.equal([]);
    expect(names.filter((name) => /_check\d*$/.test(name))).to.deep.equal([]);
  });

  it('has functions that pin their search_path, or use the staging tables, or had their names resolved when they were made', async () => {
    const loose = await column(
      database().client,
      `select proname from pg_proc
       where
         pronamespace = 'bankpulse'::regnamespace
         and prokind <> 'a'
         and prosqlbody is null
         and not exists (select from unnest(proconfig) as setting where setting like 'search_path=bankpulse, pg_temp')
         -- the session's search_path leads to its own staging tables
         and prosrc !~ '\\m(\\w*staging\\w*|staged_\\w+|touched_\\w+|merchant_additions|newly_matching)\\M'`,
    );
    expect(loose).to.deep.equal([]);
  });

  it('has merchant_id in every key of a state table', async () => {
    const without = await column(
      database().client,
      `select indexrelid::regclass::text from pg_index
       where
         indrelid = any (
           array[
             'bankpulse.customer_merchant_stats', 'bankpulse.merchant_stats', 'bankpulse.merchant_count_histogram',
             'bankpulse.upgrade_candidates', 'bankpulse.customer_weights', 'bankpulse.detections'
           ]::regclass[]
         )
         and indisunique
         and not exists (
           select from pg_attribute
           where attrelid = indrelid and attnum = any (indkey::smallint[]) and attname = 'merchant_id'
         )`,
    );
    expect(without).to.deep.equal([]);
  });

  it('has migrations that alter a table of the state in a do block, because Citus distributes it', async () => {
    const altersState = (migration: string) =>
      /alter table\s[^;]*\b(customer_merchant_stats|merchant_stats|customer_weights|checkpoint_pairs|merchant_\w+_counts|merchant_count_histogram|upgrade_candidates)\b/i.test(
        migration.replace(/^do (\$\w*\$).*?^\1/gms, ''),
      );
    expect(altersState('alter table\n  bankpulse.merchant_stats add column note text;')).to.equal(true);
    expect(
      altersState('do $$\nbegin\n  alter table bankpulse.merchant_stats add note text;\nend;\n$$;'),
    ).to.equal(false);
    const outside = [];
    for (const name of await readdir(join(projectDir, 'migrations'))) {
      const content = await readFile(join(projectDir, 'migrations', name), 'utf8');
      if (name > '0013' && altersState(content)) outside.push(name);
    }
    expect(outside).to.deep.equal([]);
  });

  it('has derived views with exactly the columns of their tables', async () => {
    const columns = async (relation: string) =>
      column(
        database().client,
        `select attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attcollation
         from pg_attribute where attrelid = ('bankpulse.' || $1)::regclass and attnum > 0 order by attnum`,
        [relation],
      );
    const views = await column(
      database().client,
      `select viewname from pg_views where schemaname = 'bankpulse' and viewname like 'derived%'`,
    );
    expect(views).to.have.length(4);
    for (const view of views)
      expect(await columns(view), view).to.deep.equal(await columns(view.replace('derived_', '')));
  });

  it('has no detection or chunk of a run that is not there', async () => {
    const references = await column(
      database().client,
      `select relname
       from pg_constraint
       inner join pg_class on pg_class.oid = conrelid
       where contype = 'f' and confrelid = 'bankpulse.runs'::regclass`,
    );
    expect(references).to.include.members(['chunks', 'detections']);
  });

  it('compares every name bytewise', async () => {
    const others = await column(
      database().client,
      `select relname || '.' || attname
       from pg_attribute
       inner join pg_class on pg_class.oid = attrelid
       inner join pg_collation on pg_collation.oid = attcollation
       where
         relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'm') and collname <> 'C'
         and attname in ('merchant_id', 'customer_id', 'pattern_id')
         or relname in ('chunks', 'rejected_rows', 'detection_batches') and attname = 'object_key' and collname <> 'C'`,
    );
    expect(others).to.deep.equal([]);
  });

  it('is what schema-snapshot.txt says (UPDATE_SNAPSHOT=1 writes it anew)', async () => {
    const path = new URL('schema-snapshot.txt', import.meta.url);
    const actual = await describeSchema(database().client);
    if (process.env.UPDATE_SNAPSHOT === '1') await writeFile(path, actual);
    expect(actual.split('\n')).to.deep.equal((await readFile(path, 'utf8')).split('\n'));
  });

  it('asks for no "not in (select ...)", which reads the list again for each row once it is long', async () => {
    const asking = await column(
      database().client,
      `select proname from pg_proc
       where pronamespace = 'bankpulse'::regnamespace and prokind <> 'a' and pg_get_functiondef(oid) ~* 'not +in +\\(\\s*select'
       union all
       select relname from pg_class
       where relnamespace = 'bankpulse'::regnamespace and relkind in ('v', 'm')
         and pg_get_viewdef(oid) ~* 'not +in +\\(\\s*select'`,
    );
    expect(asking).to.deep.equal([]);
  });

  it('has PL/pgSQL bodies in which plpgsql_check finds nothing', async function () {
    const { client } = database();
    if (
      (await column(client, `select name from pg_available_extensions where name = 'plpgsql_check'`))
        .length === 0
    ) {
      this.test!.title += ' [not checked: this server has no plpgsql_check]';
      this.skip();
    }
    await client.query('create extension if not exists plpgsql_check schema public');
    // creates the temporary tables that the bodies name, those of staging too
    await client.query('select bankpulse.open_audit()');
    const faults = await column(
      client,
      `select checked.proname || ' line ' || coalesce(lineno, 0) || ': ' || level || ': ' || message
       from pg_proc as checked
       inner join pg_language on pg_language.oid = prolang and lanname = 'plpgsql'
       left join lateral (
         select tgrelid, coalesce(tgnewtable, tgoldtable) as changed_rows
         from pg_trigger where tgfoid = checked.oid limit 1
       ) as watched on true
       cross join lateral public.plpgsql_check_function_tb(
         checked.oid,
         relid => coalesce(watched.tgrelid, 0),
         newtable => watched.changed_rows,
         extra_warnings => true,
         security_warnings => true
       )
       where
         pronamespace = 'bankpulse'::regnamespace
         -- plpgsql_check does not see that "return query execute" sets the columns of the result
         and not (checked.proname = 'matches_of' and message like 'OUT variable % is maybe unmodified')
         -- nor that match_query takes its text from the catalog, and quotes the name in it
         and not (checked.proname in ('matches_of', 'check_pattern') and message like '%variable is not sanitized')
         -- its tables are those of Citus
         and checked.proname not in ('distribute_table', 'await_workers', 'is_distributed')`,
    );
    expect(faults).to.deep.equal([]);
  });
});

/** Tables, views and functions, as the catalogs of every version of PostgreSQL say the same of them. */
async function describeSchema(client: pg.Client): Promise<string> {
  await client.query('set search_path = pg_catalog'); // then every name of the schema is written with it
  const lines = await column(
    client,
    `with relations as (
       select
         oid,
         relname,
         case relkind when 'r' then 'table' when 'v' then 'view' when 'm' then 'materialized view' end as kind,
         relname || coalesce(' with (' || array_to_string(reloptions, ', ') || ')', '') as title
       from pg_class
       where relnamespace = 'bankpulse'::regnamespace and relkind in ('r', 'v', 'm')
     )
     select line from (
       select kind || ' ' || relname as place, 0 as part, '' as name, kind || ' ' || title as line from relations
       union all
       select
         kind || ' ' || relname,
         1,
         to_char(attnum, 'FM000'),
         '  ' || attname || ' ' || format_type(atttypid, atttypmod)
         || case when collname not in ('default') then ' collate ' || collname else '' end
         || case when attnotnull then ' not null' else '' end
         || case attidentity when 'a' then ' generated always as identity' else '' end
         || coalesce(' default ' || pg_get_expr(adbin, adrelid), '')
       from relations
       inner join pg_attribute on attrelid = relations.oid and attnum > 0 and not attisdropped
       left join pg_collation on pg_collation.oid = attcollation
       left join pg_attrdef on adrelid = attrelid and adnum = attnum
       union all
       select
         kind || ' ' || relname, 2, conname, '  constraint ' || conname || ' ' || pg_get_constraintdef(pg_constraint.oid)
       from relations
       -- not null is a constraint in some versions, and said at the column in all
       inner join pg_constraint on conrelid = relations.oid and contype <> 'n'
       union all
       select kind || ' ' || relname, 3, indexrelid::regclass::text, '  ' || pg_get_indexdef(indexrelid)
       from relations
       inner join pg_index on indrelid = relations.oid
       union all
       select
         'function ' || proname,
         0,
         '',
         'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ') returns '
         || pg_get_function_result(oid)
         || case provolatile when 'i' then ' immutable' when 's' then ' stable' else ' volatile' end
         || case when prosecdef then ' security definer' else '' end
         || coalesce(' set ' || array_to_string(proconfig, ', '), '')
       from pg_proc where pronamespace = 'bankpulse'::regnamespace
     ) as described
     order by place collate "C", part, name collate "C"`,
  );
  await client.query('reset search_path');
  return lines.join('\n') + '\n';
}
