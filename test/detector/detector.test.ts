import { expect } from 'chai';
import { connect } from '../../src/database/connection.js';
import { migrate } from '../../src/database/schema.js';
import { UserError, messageOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { children, csv, until, useDetector } from '../support/detector.js';
import { Command } from '../support/process.js';

describe('detect', () => {
  const current = useDetector();
  const { put, detectOnce, startDetector, environment, untilApplied } = current;

  it('notes what its last listing saw, and its end', async () => {
    await put(1, csv());
    await put(3, csv());
    const detector = startDetector({ GAP_TIMEOUT_MS: 60_000 });
    const run = async () =>
      (
        await current.database.client.query<{
          pending_count: string;
          oldest_pending_at: Date;
          ended_at: Date | null;
        }>('select pending_count, oldest_pending_at, ended_at from bankpulse.runs')
      ).rows[0];
    await until('one object is noted as waiting', async () => (await run())?.pending_count === '1');
    expect((await run())!.oldest_pending_at).to.be.instanceOf(Date);
    await detector.stop();
    expect((await run())!.ended_at).to.be.instanceOf(Date);
  });

  it('does not begin where sequences are behind their tables, which migrating mends', async () => {
    await put(1, children(1, 2));
    await detectOnce();
    const { client } = current.database;
    await client.query(`
      alter sequence bankpulse.runs_run_id_seq restart; alter sequence bankpulse.detections_detection_id_seq restart`);
    const failure = await detectOnce().then(() => undefined, messageOf);
    expect(failure).to.match(/sequences of this database are behind its tables.*run "npm run migrate"/);
    await migrate(client, createLog('silent'));
    await put(2, children(2, 2));
    await detectOnce();
    const { rows } = await client.query(
      'select detection_id::int as id from bankpulse.detections order by chunk_no, id',
    );
    expect(rows.map(({ id }) => id as number)).to.deep.equal([1, 2, 3, 4]);
  });

  it('gives Node no reason for warnings, however many objects wait', async () => {
    const warnings: string[] = [];
    const collect = ({ message }: Error) => warnings.push(message);
    process.on('warning', collect);
    try {
      await Promise.all(Array.from({ length: 40 }, (_, index) => put(index + 1, csv())));
      await detectOnce();
    } finally {
      process.off('warning', collect);
    }
    expect(warnings).to.deep.equal([]);
  });

  /** Does this right before a chunk's ledger row is written. */
  async function onLedgerRow(statements: string): Promise<void> {
    await current.database.client.query(`
      create function public.on_ledger_row() returns trigger language plpgsql as $$
      begin
        ${statements}
        return new;
      end;
      $$;
      create trigger on_ledger_row before insert on bankpulse.chunks
      for each row execute function public.on_ledger_row()`);
  }
  const MISSING = `raise sqlstate 'BP004' using message = 'a threshold is missing';`;

  async function untilItSleeps(): Promise<void> {
    await until('the chunk is being applied', async () => {
      const { rows } = await current.database.client.query(
        "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
      );
      return rows.length === 1;
    });
  }

  it('fails at once if a chunk cannot be applied, though a missing number is waited for', async () => {
    await onLedgerRow(`perform pg_sleep(0.5); ${MISSING}`);
    await put(1, csv('C1,F,shop,1'));
    await put(3, csv('C1,F,shop,1'));
    const begunAt = performance.now();
    const outcome: unknown = await detectOnce({ GAP_TIMEOUT_MS: 60_000 }).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(UserError);
    expect(performance.now() - begunAt).to.be.below(30_000);
  });

  it('takes over from one that was killed in the middle of a long statement', async () => {
    await current.database.client.query('create sequence public.tries');
    await onLedgerRow(`if nextval('public.tries') = 1 then perform pg_sleep(100); end if;`);
    await put(1, csv('C1,F,shop,1'));
    const killed = Command.start(['detect'], { ...environment(), DASHBOARD_PORT: '0' });
    await untilItSleeps().finally(() => killed.kill());
    const detector = startDetector();
    await untilApplied(1); // it waits less than 100 s
    await detector.stop();
  });

  describe('told to end', () => {
    it('says that the last file could not be written in time', async () => {
      await put(1, children(1, 1));
      const detector = startDetector({ FLUSH_AFTER_MS: 60_000 });
      await untilApplied(1);
      const { client } = current.database;
      await client.query('begin; lock table bankpulse.detection_batches in share mode');
      await detector.stop();
      await client.query('rollback');
      const warnings = detector.log.filter(({ msg }) => /^the last detections were not written/.test(msg));
      expect(warnings).to.have.length(1);
    });

    it('waits for the chunk in hand a few seconds, not for ever, and says so', async () => {
      await onLedgerRow('perform pg_sleep(100);');
      await put(1, csv('C1,F,shop,1'));
      const detector = startDetector();
      await untilItSleeps();
      const begunAt = performance.now();
      await detector.stop();
      expect(performance.now() - begunAt).to.be.below(20_000); // 4 s on a machine that is not busy
      expect(detector.log.some(({ msg }) => /^the current chunk takes too long/.test(msg))).to.be.true;
    });

    it('still fails if the rules cannot be judged', async () => {
      await onLedgerRow(`perform pg_sleep(2); ${MISSING}`);
      await put(1, csv('C1,F,shop,1'));
      const detector = startDetector();
      await untilItSleeps();
      const outcome: unknown = await detector.stop().catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(UserError);
      expect((outcome as UserError).message).to.match(/^a pattern cannot be judged/);
    });
  });

  it('stages in its first session while chunks come one by one, plain or not, in the second only while one is applied', async () => {
    const { client } = current.database;
    const stagingSessions = async () =>
      (
        await client.query(
          `select from pg_class where relname = 'summed_pairs' and relnamespace::regnamespace::text ^@ 'pg_temp'`,
        )
      ).rowCount;
    startDetector();
    for (const [place, row] of ['C1,F,shop,1', '"C1",F,shop,1', 'C1,M,shop,1.50'].entries()) {
      await put(place + 1, csv(row));
      await untilApplied(place + 1);
    }
    expect(await stagingSessions()).to.equal(1);
    const { rows } = await client.query(
      'select gender, transaction_count::int as count, total_amount as total from bankpulse.customer_merchant_stats',
    );
    expect(rows).to.deep.equal([{ gender: 'F', count: 3, total: '3.50' }]);
    await client.query('begin; lock bankpulse.merchant_stats in share mode'); // so that a chunk is being applied
    await put(4, csv('C1,F,shop,1'));
    await put(5, csv('C1,F,shop,1'));
    await until('a second session stages', async () => (await stagingSessions()) === 2);
    await client.query('commit');
    await untilApplied(5);
  });

  it('leaves no session behind', async () => {
    await put(1, csv('C1,F,shop,1'));
    await detectOnce();
    const other = await connect(current.database.config);
    try {
      await until('its sessions are gone', async () => {
        const { rows } = await other.query(
          'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        );
        return rows.length === 1; // the test's own
      });
    } finally {
      await other.end();
    }
  });
});
