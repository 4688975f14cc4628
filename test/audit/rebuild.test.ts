import { writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { audit } from '../../src/audit/audit.js';
import { connect, openViews } from '../../src/database/connection.js';
import { describeRun, readStatus } from '../../src/database/status.js';
import { Metrics } from '../../src/metrics/metrics.js';
import { withAudit } from '../support/audit.js';
import { csv, until, useDetector } from '../support/detector.js';
import { Command, expectRefusal, run } from '../support/process.js';

const DAMAGE = `
  delete from bankpulse.customer_merchant_stats where customer_id like '%1';
  update bankpulse.customer_merchant_stats set total_amount = total_amount + 1, transaction_count = 1;
  update bankpulse.merchant_stats set female_count = 0, male_count = 0;
  delete from bankpulse.merchant_count_histogram;
  delete from bankpulse.upgrade_candidates;
  update bankpulse.merchant_top_counts set top_count = 0`;

describe('rebuild', function () {
  this.timeout(240_000);
  let held: Command | undefined;
  afterEach(async () => {
    if (held?.child.exitCode === null) held.child.kill('SIGKILL');
    await held?.ended;
    await ask(`drop database if exists ${current.database.name}_verify with (force)`);
  });
  const current = useDetector({ isShared: true });
  const { put, chunkKey, detectOnce, startDetector, detections, environment } = current;
  const ask = (query: string) => current.database.client.query<object>(query);

  /** Chunks of the same few customers and merchants, so that all patterns fire early and late. */
  async function putChunks(from: number, to: number): Promise<void> {
    for (let number = from; number <= to; number++) {
      const rows = Array.from({ length: 12 }, (_, place) => {
        const mixed = (number * 7919 + place * 104_729 + number * place * 31) % 1009;
        const customer = mixed % 23;
        return `C${customer},${customer % 2 === 0 ? 'M' : 'F'},shop${mixed % 2},${mixed % 40}`;
      });
      await put(number, csv(...rows));
    }
  }

  // the tests damage it and make it right again; only the last two change it for good
  before(async () => {
    const weights = Array.from({ length: 46 }, (_, n) => `C${n % 23},shop${n % 2},${(n * 37) % 19}`);
    await writeFile(current.importanceCsv, ['Source,Target,Weight', ...weights, ''].join('\n'));
    await putChunks(1, 6);
    await detectOnce();
  });

  /** The state of the engine. What the patterns remember begins empty, and is compared by verify. */
  async function state(): Promise<unknown[]> {
    const { rows } = await ask(
      `select to_jsonb(t) as row from bankpulse.customer_merchant_stats as t
       union all select to_jsonb(t) from bankpulse.merchant_stats as t
       order by 1`,
    );
    return rows;
  }

  const ledger = async () =>
    (
      await ask(
        `select to_jsonb(t) as row from bankpulse.chunks as t
         union all select to_jsonb(t) from bankpulse.detections as t
         union all select to_jsonb(t) from bankpulse.detection_batches as t order by 1`,
      )
    ).rows;

  it("is refused to mechanism Y's role, and while Y is at work, before anything is replayed", async () => {
    const role = `${current.database.name}_role`;
    await ask(DAMAGE);
    const damaged = await state();
    await ask(`create role ${role} login createdb password 'secret' in role bankpulse_writer`);
    try {
      const url = new URL(current.database.url);
      url.username = role;
      url.password = 'secret';
      const { code, stderr } = await run(['rebuild'], { ...environment(), DATABASE_URL: url.href });
      expect(stderr).to.match(
        /^error: \w+ may not empty the state: run this as the owner of the tables, \w+$/m,
      );
      expect(code).to.equal(1);
    } finally {
      await ask(`drop role ${role}`);
    }

    const holder = async () => (await ask('select run_id::int from bankpulse.pipeline_lease')).rows[0];
    const former = await holder();
    const detector = startDetector();
    await until('it is elected', async () => !isDeepStrictEqual(await holder(), former));
    const ended = await run(['rebuild'], environment());
    await detector.stop();
    expectRefusal(
      ended,
      /^error: mechanism Y is at work, or another rebuild: stop it first, then run this again$/,
    );
    expect(await state()).to.deep.equal(damaged);
  });

  it('is told from a Y that hangs, by status, log and metrics, while a Y stands by for it', async () => {
    const views = openViews(current.database.config);
    const metrics = new Metrics('detect');
    const isRebuilding = async () =>
      (await metrics.registry.getSingleMetric('bankpulse_is_rebuilding')!.get()).values[0]?.value;
    const holder = await connect(current.database.config);
    // the rebuild waits for this table
    await holder.query('begin; lock table bankpulse.merchant_stats');
    const rebuilding = run(['rebuild'], environment());
    try {
      await until('it holds the lease', async () => (await readStatus(views)).run_state === 'rebuilding');
      // longer than a Y may take to its first listing
      await ask(`update bankpulse.pipeline_lease set taken_at = taken_at - interval '2 min'`);
      expect((await readStatus(views)).lag_seconds).to.equal(null);
      expect(describeRun(await readStatus(views))[0]).to.match(
        /^mechanism Y stands by: npm run rebuild is at work since 20\S+Z \(run \d+\)$/,
      );
      const detector = startDetector();
      const says = (text: string) => () => Promise.resolve(detector.log.some(({ msg }) => msg === text));
      await until('it says for whom it stands by', says('npm run rebuild is at work; standing by'));
      expect(await isRebuilding()).to.equal(1);
      await holder.end();
      expect(await rebuilding).to.include({ code: 0 });
      await until('it takes over', says('taking over'));
      expect(await isRebuilding()).to.equal(0);
      await detector.stop();
    } finally {
      await holder.end();
      await rebuilding;
      metrics.close();
      await views.destroy();
    }
  });

  it('killed in the middle leaves the state as it was; the next one makes it right', async () => {
    const right = await state();
    await ask(DAMAGE);
    const damaged = await state();
    const holder = await connect(current.database.config);
    try {
      // it has emptied the pairs by then
      await holder.query('begin; lock table bankpulse.merchant_stats in share mode');
      held = Command.start(['rebuild'], environment());
      await until('it waits', async () => {
        // not on the holder's session: pg_stat_activity stays the same within a transaction
        const { rowCount } = await ask(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      });
      held.child.kill('SIGKILL');
      await held.ended;
      expect(await state()).to.deep.equal(damaged);
    } finally {
      await holder.end();
    }
    await until('its session is gone', async () => {
      const { rowCount } = await ask(
        `select from pg_locks where locktype = 'advisory' and objid in (4242001, 4242003)
         and database = (select oid from pg_database where datname = current_database())`,
      );
      return rowCount === 0;
    });
    expect(await state()).to.deep.equal(damaged);
    expect((await run(['rebuild'], environment())).code).to.equal(0);
    expect(await state()).to.deep.equal(right);
  });

  it('makes the state again from the ledger, and lets the stream go on as if nothing had happened', async () => {
    const [before, ledgerBefore] = [await state(), await ledger()];
    await ask(DAMAGE);
    expect(await state()).not.to.deep.equal(before);
    const { code, stdout } = await run(['rebuild'], environment());
    expect(stdout).to.match(/^The state is rebuilt from the ledger\.\nchunks {6}6 replayed, 72 rows\n/);
    expect(stdout).to.match(/\nNo difference\.\n$/);
    expect(code).to.equal(0);
    expect(await state()).to.deep.equal(before);
    expect(await ledger()).to.deep.equal(ledgerBefore);

    // what the patterns remember is forgotten; the next chunk that touches a merchant fills it anew
    const remembered = async () =>
      (
        await ask(
          `select 'top' as table_name, count(*)::int from bankpulse.merchant_top_counts
           union all select 'histogram', count(*)::int from bankpulse.merchant_count_histogram
           union all select 'candidates', count(*)::int from bankpulse.upgrade_candidates`,
        )
      ).rows.map((row) => (row as { count: number }).count);
    expect(await remembered()).to.deep.equal([0, 0, 0]);
    await putChunks(7, 7);
    await detectOnce();
    expect(Math.min(...(await remembered()))).to.be.greaterThan(0);
    const { differences } = await withAudit(current, (options) => audit(options));
    expect(differences).to.deep.equal([]);

    await putChunks(8, 14);
    await detectOnce();
    const [found, final] = [await detections(), await state()];
    // without detections after the rebuild this would show nothing
    for (const pattern of ['PatId1', 'PatId2'])
      expect(
        found.filter((line) => line.startsWith(pattern) && Number(line.split(' ').at(-1)) > 6),
        pattern,
      ).not.to.deep.equal([]);

    // also when the rules have changed
    await ask(`update bankpulse.customer_merchant_stats set total_amount = 0`);
    await ask(
      `update bankpulse.patterns set thresholds = thresholds || '{"transactions_from": 3}' where pattern_id = 'PatId2'`,
    );
    const again = await run(['rebuild'], environment());
    expect(again.stdout).to.match(/\nNo difference\.\n$/);
    expect(again.code).to.equal(0);
    expect(await state()).to.deep.equal(final);

    await current.renewDatabase();
    await detectOnce();
    expect(found).to.deep.equal(await detections());
    expect(final).to.deep.equal(await state());
  });

  it('ends with what verify finds, and is refused when an object is gone or changed; the state stays as it was', async () => {
    await ask(`update bankpulse.detections set chunk_no = chunk_no - 1 where chunk_no = 2`);
    const { code, stdout } = await run(['rebuild'], environment());
    expect(stdout).to.match(
      /^The state is rebuilt[^]*wrong chunk: detected in chunk 1, and it first held after chunk 2/,
    );
    expect(code).to.equal(1);

    await ask(DAMAGE);
    const before = await state();
    await current.s3.client.send(
      new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: chunkKey(2) }),
    );
    await put(4, csv());
    expectRefusal(
      await run(['rebuild'], environment()),
      /^error: cannot be rebuilt, the state is left as it was; objects gone or changed: 2, the first: chunk 2 \(.*chunk_2\.csv\): its object is gone$/,
    );
    expect(await state()).to.deep.equal(before);
  });
});
