import { expect } from 'chai';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { SQLSTATE, codeOf } from '../../src/errors.js';
import { SqlFunctions, type AppliedChunk } from '../../src/database/functions.js';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

/** The SQLSTATE a promise fails with; undefined if it does not. */
async function failure(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error),
  );
}

/** Everything in schema bankpulse but its lease, and the staging tables, as text. */
async function wholeState(client: pg.Client): Promise<Record<string, unknown>> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = 'bankpulse'::regnamespace and relkind = 'r' and relname not in ('pipeline_lease', 'runs')
     union all select unnest(array['staged_rows', 'staged_records', 'touched_pairs', 'touched_merchants'])`,
  );
  const state: Record<string, unknown> = {};
  await client.query('set search_path = bankpulse, pg_temp');
  for (const { name } of tables)
    state[name] = (
      await client.query(`select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from ${name} as t`)
    ).rows;
  return state;
}

interface LedgerRow {
  chunk_no: number | null;
  object_number: number | null;
  etag: string;
  size_bytes: number;
  status: string;
  row_count: number;
  rejected_count: number;
  detection_count: number;
  is_late: boolean;
  run_id: number;
  rules_hash: string;
  timings: Record<string, number>;
  error: string | null;
}

describe('process_chunk', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  async function ledgerRow(key: string): Promise<LedgerRow> {
    const { rows } = await driver.client.query<{ row: LedgerRow }>(
      'select to_jsonb(chunks) as row from bankpulse.chunks where object_key = $1',
      [key],
    );
    return rows[0]!.row;
  }

  describe('its ledger', () => {
    it('numbers chunks as they are applied, without gaps, also after one that failed', async () => {
      const numbers: number[] = [];
      numbers.push((await driver.apply([], { key: 'ledger/900.csv' })).chunkNo);
      expect(await failure(driver.apply([], { key: 'ledger/900.csv' }))).to.equal(SQLSTATE.objectInLedger);
      numbers.push((await driver.apply([], { key: 'ledger/901.csv' })).chunkNo);
      await driver.functions.quarantineChunk(
        driver.runId,
        { key: 'ledger/902.csv', etag: 'x', size: 0 },
        'empty',
      );
      numbers.push((await driver.apply([], { key: 'ledger/903.csv' })).chunkNo);
      expect(numbers).to.deep.equal([1, 2, 3]);
    });

    it('enters an object once, also if it is to be quarantined again; another object replaces it', async () => {
      const quarantine = (key: string, etag = 'x') =>
        driver.functions.quarantineChunk(driver.runId, { key, etag, size: 0 }, `empty ${etag}`);
      expect(await quarantine('ledger/950.csv')).to.equal(true);
      expect(await quarantine('ledger/950.csv')).to.equal(false);
      expect(await quarantine('ledger/950.csv', 'y')).to.equal(true);
      expect(await ledgerRow('ledger/950.csv')).to.include({ etag: 'y', error: 'empty y' });
      await driver.apply([], { key: 'ledger/951.csv' });
      expect(await quarantine('ledger/951.csv'), 'it stays applied').to.equal(false);
    });

    it('says when an object was applied or quarantined, each in a column of its own', async () => {
      const { rows } = await driver.client.query(
        `select
           status,
           applied_at between now() - interval '1 hour' and clock_timestamp() as is_applied_now,
           quarantined_at between now() - interval '1 hour' and clock_timestamp() as is_quarantined_now
         from bankpulse.chunks where object_key in ('ledger/901.csv', 'ledger/902.csv') order by object_key`,
      );
      expect(rows).to.deep.equal([
        { status: 'applied', is_applied_now: true, is_quarantined_now: null },
        { status: 'quarantined', is_applied_now: null, is_quarantined_now: true },
      ]);
    });

    it('refuses a key that was applied; one in quarantine is applied instead', async () => {
      expect(await failure(driver.apply([], { key: 'ledger/901.csv' }))).to.equal(SQLSTATE.objectInLedger);
      const key = 'ledger/899.csv';
      await driver.functions.quarantineChunk(driver.runId, { key, etag: 'x', size: 0 }, 'empty');
      expect(await failure(driver.apply([], { key }))).to.be.undefined;
      expect(await ledgerRow(key)).to.include({ status: 'applied', error: null });
    });

    it('refuses another key with a number that was applied', async () => {
      expect(await failure(driver.apply([], { key: 'ledger/again-0901.csv.gz' }))).to.equal(
        SQLSTATE.objectNumberTaken,
      );
    });

    it('takes another key with the number of a quarantined one', async () => {
      expect(await failure(driver.apply([], { key: 'ledger/again-902.csv' }))).to.be.undefined;
    });

    it('says which chunks came late: behind a greater number, applied or quarantined', async () => {
      const lateness: boolean[] = [];
      const isLate = async (key: string) => lateness.push((await driver.apply([], { key })).isLate);
      await isLate('late/1000.csv');
      await isLate('late/999.csv');
      await isLate('late/1001.csv');
      await driver.functions.quarantineChunk(
        driver.runId,
        { key: 'late/1010.csv', etag: 'x', size: 0 },
        'empty',
      );
      await isLate('late/1009.csv');
      await isLate('late/unnumbered.csv');
      await isLate('late/1011.csv');
      expect(lateness).to.deep.equal([false, true, false, true, false, false]);
      expect((await ledgerRow('late/999.csv')).is_late).to.be.true;
    });

    it('holds what the chunk brought, and agrees with what is returned', async () => {
      const rows = times(80, { customer: 'c', merchant: 'facts' });
      const chunk = await driver.apply(rows, { key: 'facts/2000.csv' });
      const { timings, rules_hash, ...row } = await ledgerRow('facts/2000.csv');
      expect(row).to.include({
        chunk_no: chunk.chunkNo,
        object_number: 2000,
        etag: 'test',
        size_bytes: 0,
        status: 'applied',
        row_count: 80,
        rejected_count: 0,
        detection_count: 1,
        run_id: driver.runId,
        error: null,
      });
      expect(chunk).to.deep.include({ rowCount: 80, rejectedCount: 0, detectionCount: 1, timings });
      expect(Object.keys(timings)).to.have.members(['copy', 'accept', 'pairs', 'merchants', 'detect']);
      for (const milliseconds of Object.values(timings)) expect(milliseconds).to.be.within(0, 10_000);
      expect(rules_hash).to.match(/^[0-9a-f]{32}$/);
    });

    it('keeps the hash of the rules: the same until thresholds, patterns or weights change', async () => {
      let next = 3000;
      const hash = async () => {
        const key = `rules/${next++}.csv`;
        await driver.apply([], { key });
        return (await ledgerRow(key)).rules_hash;
      };
      const first = await hash();
      expect(await hash()).to.equal(first);
      await driver.setThresholds('PatId2', { transactions_from: 81 });
      const raised = await hash();
      await driver.setThresholds('PatId2', { transactions_from: 80 });
      expect(await hash()).to.equal(first);
      await driver.client.query(
        `update bankpulse.patterns set is_enabled = false where pattern_id = 'PatId3'`,
      );
      const disabled = await hash();
      await driver.client.query(
        `update bankpulse.patterns set is_enabled = true where pattern_id = 'PatId3'`,
      );
      await driver.loadWeights([{ customer: 'c', merchant: 'rules', weight: 1 }]);
      const weighed = await hash();
      expect(new Set([first, raised, disabled, weighed])).to.have.property('size', 4);
    });

    it('counts rejected rows beside the accepted ones, and keeps each with its line', async () => {
      const { client } = driver;
      await client.query('begin');
      await client.query(
        `insert into pg_temp.staged_records (line_number, problem, line, customer_id, gender, merchant_id, amount)
         values
           (2, null, 'good', ' ''c'' ', 'F', 'careful', ' 5 '),
           (3, 'the row has 3 fields, not 4', 'short', '', '', '', ''),
           (4, null, 'bad', 'c', 'F', 'careful', 'NaN'),
           (5, null, 'good', 'c', 'F', 'careful', '1e1')`,
      );
      const chunk = await driver.functions.processChunk({
        runId: driver.runId,
        objectKey: 'careful/4000.csv',
        etag: 'test',
        sizeBytes: 1,
        copyMs: 0,
        batchRows: 50,
        detectionsPrefix: 'detections/',
      });
      await client.query('commit');
      expect(chunk).to.include({ rowCount: 2, rejectedCount: 2 });
      const { rows } = await client.query(
        `select line_number::int, line, reason from bankpulse.rejected_rows
         where object_key = 'careful/4000.csv' order by line_number`,
      );
      expect(rows).to.deep.equal([
        { line_number: 3, line: 'short', reason: 'the row has 3 fields, not 4' },
        { line_number: 4, line: 'bad', reason: 'the amount is not a valid number' },
      ]);
      const { rows: stats } = await client.query(
        `select customer_id, gender, transaction_count::int, total_amount from bankpulse.customer_merchant_stats
         where merchant_id = 'careful'`,
      );
      expect(stats).to.deep.equal([
        { customer_id: 'c', gender: 'F', transaction_count: 2, total_amount: '15' },
      ]);
    });

    it('applies a chunk of 0 rows', async () => {
      expect(await driver.apply([])).to.include({ rowCount: 0, rejectedCount: 0, detectionCount: 0 });
    });
  });

  describe('a fourth pattern', () => {
    async function addPattern(patternId: string, condition: string): Promise<void> {
      await driver.client.query(
        `create function bankpulse.detect_${patternId.toLowerCase()}(p_thresholds jsonb)
         returns table (merchant_id text, customer_id text, reason jsonb)
         language plpgsql stable set search_path = bankpulse, pg_temp
         as $$
         begin
           return query
           select touched_pairs.merchant_id, touched_pairs.customer_id, jsonb_build_object('total', total_amount)
           from pg_temp.touched_pairs
           where ${condition};
         end;
         $$`,
      );
      await driver.client.query(
        `insert into bankpulse.patterns (
           pattern_id, action_type, description, match_function, detect_function, thresholds
         )
         values ($1, 'THANK', 'A customer who spends much.', $2, $2, '{"total_from": 1000}')`,
        [patternId, `detect_${patternId.toLowerCase()}`],
      );
    }

    it('is one function and one row, and is found from the first chunk on, in its order', async () => {
      await addPattern('PatId10', `total_amount >= (p_thresholds ->> 'total_from')::numeric`);
      const rows = [
        ...times(80, { customer: 'z', merchant: 'fourth', amount: 20 }),
        ...times(80, { customer: 'B', merchant: 'fourth', amount: 22 }),
        ...times(1, { customer: 'a', merchant: 'fourth', amount: 999 }),
      ];
      const { chunkNo } = await driver.apply(rows);
      await driver.apply(times(1, { customer: 'a', merchant: 'fourth', amount: 1 }));
      const found = (await driver.detections()).filter(({ merchant }) => merchant === 'fourth');
      expect(found.map(({ pattern, customer, chunk }) => [pattern, customer, chunk - chunkNo])).to.deep.equal(
        [
          ['PatId10', 'B', 0],
          ['PatId10', 'z', 0],
          ['PatId2', 'B', 0],
          ['PatId2', 'z', 0],
          ['PatId10', 'a', 1],
        ],
      );
    });

    it('that fails leaves nothing of the chunk behind, and the next one is applied', async () => {
      await addPattern('PatId9', '1 / (total_amount - 7) > 0');
      await driver.apply([{ customer: 'c', merchant: 'failing', amount: 1 }]);
      const before = await wholeState(driver.client);
      const rows = [
        ...times(80, { customer: 'd', merchant: 'failing', amount: 1 }),
        { customer: 'c', merchant: 'failing', amount: 6 },
      ];
      expect(await failure(driver.apply(rows, { batchRows: 1 })), 'division by zero').to.equal('BP005');
      expect(await wholeState(driver.client)).to.deep.equal(before);
      await driver.client.query(`delete from bankpulse.patterns where pattern_id in ('PatId9', 'PatId10')`);
      expect(await driver.apply(rows)).to.include({ rowCount: 81, detectionCount: 1 });
    });

    for (const [how, thresholds] of [
      ['changed', ['{"visits_from": 1}']],
      ['changed and changed back', ['{"visits_from": 1}', '{"visits_from": 0}']],
    ] as const) {
      it(`that is ${how} before the chunk is finished has it refused with 40001: the ledger names what judged it`, async () => {
        await driver.client.query(
          `create or replace function bankpulse.detect_changed(p_thresholds jsonb)
           returns table (merchant_id text, customer_id text, reason jsonb)
           language plpgsql volatile set search_path = bankpulse, pg_temp
           as $$
           begin
             ${thresholds
               .map((each) => `update patterns set thresholds = '${each}' where pattern_id = 'PatId8';`)
               .join('\n')}
           end;
           $$`,
        );
        await driver.client.query(
          `insert into bankpulse.patterns (
             pattern_id, action_type, description, match_function, detect_function, thresholds
           )
           values (
             'PatId8', 'THANK', 'One that is changed meanwhile.', 'detect_changed', 'detect_changed',
             '{"visits_from": 0}'
           )`,
        );
        const before = await wholeState(driver.client);
        const rows = times(80, { customer: 'd', merchant: how, amount: 1 });
        expect(await failure(driver.apply(rows)), 'serialization failure').to.equal('40001');
        expect(await wholeState(driver.client)).to.deep.equal(before);
        await driver.client.query(`delete from bankpulse.patterns where pattern_id = 'PatId8'`);
        expect(await driver.apply(rows)).to.include({ rowCount: 80, detectionCount: 1 });
      });
    }
  });

  it('leaves nothing behind when the transaction is rolled back after it', async () => {
    const before = await wholeState(driver.client);
    await driver.client.query('begin');
    await driver.client.query(
      `insert into pg_temp.staged_rows select 'c', 'F', 'rolled-back', 1 from generate_series(1, 100)`,
    );
    await driver.functions.processChunk({
      runId: driver.runId,
      objectKey: 'rolled-back/5000.csv',
      etag: 'test',
      sizeBytes: 0,
      copyMs: 0,
      batchRows: 1,
      detectionsPrefix: 'detections/',
    });
    expect(await driver.detected('PatId2', 'rolled-back')).to.deep.equal(['c']);
    await driver.client.query('rollback');
    expect(await wholeState(driver.client)).to.deep.equal(before);
  });
});

describe('the fence', () => {
  const database = useDatabase('empty');
  let first: ChunkDriver;
  let other: pg.Client;
  beforeEach(async () => {
    other = await connect(database().config);
    first = await ChunkDriver.start(database().client);
  });
  afterEach(async () => {
    await other.end();
    await database().client.query('select pg_advisory_unlock_all()');
  });

  const row = { customer: 'c', merchant: 'm' };

  /** For a session that holds the lease, and would be ended after 1 s. */
  const MAY_IDLE = 'set local idle_in_transaction_session_timeout = 0';

  /** Another process takes over, the first one's session lock being lost. */
  async function takeOver(): Promise<void> {
    const functions = new SqlFunctions(other);
    await database().client.query('select pg_advisory_unlock_all()');
    expect(await functions.tryTakeOver(await functions.registerRun())).to.be.true;
  }

  /** Waits until the first session waits for the other one. */
  async function firstWaits(): Promise<void> {
    const watcher = await connect(database().config);
    try {
      const { rows } = await other.query<{ pid: number }>('select pg_backend_pid() as pid');
      for (;;) {
        const waiting = await watcher.query<{ state: string; blockers: number[]; locks: string[] }>(
          `select wait_event_type as state, pg_blocking_pids(pid) as blockers,
             array(select locktype from pg_locks where pg_locks.pid = pg_stat_activity.pid and not granted) as locks
           from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        if (waiting.rows.length > 0) {
          expect(waiting.rows).to.deep.equal([
            { state: 'Lock', blockers: [rows[0]!.pid], locks: ['transactionid'] },
          ]);
          return;
        }
      }
    } finally {
      await watcher.end();
    }
  }

  it('elects one session at a time', async () => {
    const functions = new SqlFunctions(other);
    const run = await functions.registerRun();
    expect(await functions.tryTakeOver(run)).to.be.false;
    expect((await first.apply([row])).rowCount, 'the first still works').to.equal(1);
  });

  it('refuses every change by a run after another has taken over, and nothing changes', async () => {
    await first.apply([row]);
    await takeOver();
    const before = await wholeState(first.client);
    const object = { key: 'x/1.csv', etag: 'x', size: 0 };
    expect(await failure(first.apply([row]))).to.equal(SQLSTATE.leaseLost);
    expect(await failure(first.functions.closeBatches(first.runId, 50, 'd/', true))).to.equal(
      SQLSTATE.leaseLost,
    );
    expect(await failure(first.functions.quarantineChunk(first.runId, object, 'empty'))).to.equal(
      SQLSTATE.leaseLost,
    );
    expect(await failure(first.functions.loadImportance(first.runId, 'file', 'hash'))).to.equal(
      SQLSTATE.leaseLost,
    );
    expect(await wholeState(first.client)).to.deep.equal(before);
  });

  it('refuses a run that never held the lease', async () => {
    expect(
      await failure(first.client.query('select bankpulse.hold_lease($1)', [first.runId + 1000])),
    ).to.equal(SQLSTATE.leaseLost);
  });

  describe('while another session holds the lease', () => {
    let applied: Promise<AppliedChunk>;
    beforeEach(async () => {
      await other.query('begin');
      await other.query('select bankpulse.hold_lease($1)', [first.runId]);
      await other.query(MAY_IDLE);
      applied = first.apply([row]);
      applied.catch(() => undefined); // it is looked at later
      await firstWaits();
    });

    it('makes a chunk wait, and lets it go on when the lease is free', async () => {
      await other.query('commit');
      expect((await applied).rowCount).to.equal(1);
    });

    it('refuses the chunk that waited if the other has taken over meanwhile', async () => {
      await other.query(
        `with new_run as (insert into bankpulse.runs default values returning run_id)
         update bankpulse.pipeline_lease set run_id = (select run_id from new_run)`,
      );
      await other.query('commit');
      expect(await failure(applied)).to.equal(SQLSTATE.leaseLost);
    });
  });

  it('gives the chunk that waited the number behind the one it waited for', async () => {
    const second = new SqlFunctions(other);
    await second.openStaging();
    await other.query('begin');
    const chunk = await second.processChunk({
      runId: first.runId,
      objectKey: 'wait/70.csv',
      etag: 'test',
      sizeBytes: 0,
      copyMs: 0,
      batchRows: 50,
      detectionsPrefix: 'detections/',
    });
    await other.query(MAY_IDLE);
    const next = first.apply([row], { key: 'wait/71.csv' });
    await firstWaits();
    await other.query('commit');
    expect((await next).chunkNo).to.equal(chunk.chunkNo + 1);
  });
});
