import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import fc from 'fast-check';
import { audit, lockAudit, type Audit, type AuditSteps } from '../../src/audit/audit.js';
import { bringCheckpointUpTo } from '../../src/audit/checkpoint.js';
import { planPrune, prune, type Pruned } from '../../src/audit/prune.js';
import { describeAudit } from '../../src/audit/report.js';
import { connect } from '../../src/database/connection.js';
import { codeOf, messageOf } from '../../src/errors.js';
import { withAudit } from '../support/audit.js';
import { copyTestDatabase, dropTestDatabase } from '../support/database.js';
import { children, csv, rowsOf, until, useDetector } from '../support/detector.js';
import { isLargeDose } from '../support/dose.js';
import { OddStore, refuse } from '../support/odd-store.js';
import { Command, expectRefusal, run } from '../support/process.js';

const BATCH_ROWS = 3;
/** Rows of which none makes a detection. */
const quiet = (number: number) => csv(`Q${number},M,market,1000`, `R${number},M,market,2000`);

describe('prune', function () {
  this.timeout(120_000);
  const current = useDetector();
  const { put, chunkKey, detectOnce, startDetector, detections, ledger, environment } = current;
  const ask = (query: string, values: unknown[] = []) => current.database.client.query<object>(query, values);

  const verify = (steps: AuditSteps = {}): Promise<Audit> =>
    withAudit(current, (options) => audit(options, steps));
  const expire = (name: number | string) =>
    current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: chunkKey(name) }));

  /** As the command, with everything counting as old. */
  async function pruneAll(unverified = false): Promise<Pruned> {
    return withAudit(current, async (options) => {
      const plan = await planPrune(options.session, 0);
      await lockAudit(options.session);
      const found = await bringCheckpointUpTo(options, plan.newest_chunk_no, { unverified });
      expect(found?.differences ?? []).to.deep.equal([]);
      const pruned = { chunks: 0, rejectedRows: 0, runs: 0 };
      await prune(options.session, plan, options.signal, pruned);
      return pruned;
    });
  }

  /** Chunks 1 to 6: detections in 1 and 4, a rejected row in 2. */
  async function stream(): Promise<void> {
    await put(1, children(1, 4));
    await put(2, csv('A,F,market,100', 'B,F,market,none'));
    await put(3, quiet(3));
    await put(4, children(4, 3));
    await put(5, quiet(5));
    await put(6, quiet(6));
    await detectOnce({ BATCH_ROWS });
  }
  const keys = async () => (await ledger()).map(({ object_key }) => object_key);
  async function prunedObjects(): Promise<string[]> {
    const { rows } = await current.database.client.query<{ run: string }>(
      `select format('%s[%s]%s-%s%s', replace(key_head, $1, ''), digit_count, first_number, last_number, key_tail) as run
       from bankpulse.pruned_objects order by key_head, key_tail, digit_count, first_number`,
      [`${current.prefix}chunks/`],
    );
    return rows.map(({ run: text }) => text);
  }

  it('removes what nothing needs, says what it keeps, and verify goes on from the checkpoint', async () => {
    await stream();
    const dry = await run(['prune', '--older-than', '0', '--dry-run'], environment());
    expect(dry.stdout).to.match(
      /^checkpoint {4}chunk 6 or later would be stored first\nwould remove {2}3 chunks of the ledger, 1 rejected row, 0 runs \(up to chunk 5, from before .*\)\nwould keep {4}the newest chunk, the greatest number, 2 older chunks with detections, 0 quarantined objects; all detections, files and rules\nNothing is changed\.\n$/,
    );
    expect(await keys()).to.have.length(6);
    const { code, stdout } = await run(['prune', '--older-than', '0'], environment());
    expect(stdout).to.match(
      /^checkpoint {2}chunk 6: verify and rebuild begin there\nremoved {5}3 chunks of the ledger, 1 rejected row, 0 runs /,
    );
    expect(code).to.equal(0);
    expect(await keys()).to.deep.equal(['chunk_1.csv', 'chunk_4.csv', 'chunk_6.csv']);
    expect(await prunedObjects()).to.deep.equal(['chunk_[1]2-3.csv', 'chunk_[1]5-5.csv']);
    expect((await ask('select from bankpulse.rejected_rows')).rowCount).to.equal(0);
    // a replay from the first chunk is not possible any more
    for (const command of [
      ['verify', '--from-start'],
      ['rebuild', '--from-start'],
    ])
      expectRefusal(
        await run(command, environment()),
        /^error: cannot begin at the first chunk: chunks were pruned, and without them the ledger reaches back to the checkpoint of chunk 6 only$/,
      );
    expectRefusal(
      await run(['backtest', 'PatId2', 'transactions_from=3'], environment()),
      /^error: cannot be backtested, which needs all chunks from the first: chunks were pruned, /,
    );

    // their objects may go: nothing reads them any more
    for (const number of [1, 2, 3, 4, 5, 6]) await expire(number);
    await put(7, children(7, 1));
    await detectOnce({ BATCH_ROWS });
    expect(describeAudit(await verify()).split('\n')).to.deep.equal([
      'chunks      1 replayed, 2 rows',
      'detections  1 judged again, 7 taken as given',
      'files       4 read, 8 rows; 0 not written yet, 0 detections in no batch yet',
      'state       15 pairs at 2 merchants',
      'Begun at the checkpoint of chunk 6 (verified when it was taken): detections up to it are taken as given.',
      'No difference.',
    ]);
    const rebuilt = await run(['rebuild'], environment());
    expect(rebuilt.stdout).to.match(
      /^The state is rebuilt[^]*Begun at the checkpoint of chunk 6 [^]*No difference\.\n$/,
    );
  });

  it('never applies a pruned object again, listed anew, changed, or under another name; verify finds damage behind the checkpoint', async () => {
    await stream();
    await pruneAll(true);
    const [before, state] = [await detections(), await current.state()];
    await put(2, csv('A,F,market,100', 'Z,F,market,7')); // replaced
    await put('other-3.csv', quiet(3)); // the number of a pruned one
    await put('chunk_003.csv', quiet(3));
    await put('chunk_0.csv', quiet(0)); // late, and new
    const log = await detectOnce({ BATCH_ROWS });
    expect(await ledger()).to.deep.include.members([
      { ...(await one('chunk_003.csv')), status: 'quarantined', object_number: 3 },
      { ...(await one('other-3.csv')), status: 'quarantined', object_number: 3 },
      { ...(await one('chunk_0.csv')), status: 'applied', is_late: true, chunk_no: 7 },
    ]);
    expect((await one('other-3.csv')).error).to.match(/^another object with number 3 was applied before/);
    expect(await keys()).not.to.include('chunk_2.csv');
    // by no other way either, such as the functions of a version that knows nothing of it
    for (const [key, number] of [
      [chunkKey('chunk_2.csv'), null],
      ['another.csv', 2],
    ] as const)
      expect(
        await ask(
          `insert into bankpulse.chunks (object_key, object_number, chunk_no, etag, size_bytes, status, applied_at, run_id)
           values ($1, $2, 99, '', 0, 'applied', now(), 1)`,
          [key, number],
        ).then(() => undefined, codeOf),
      ).to.equal('BP003');
    expect(log.filter(({ msg }) => msg.includes('replaced'))).to.deep.equal([]);
    expect(await detections()).to.deep.equal(before);
    expect(await current.state()).to.have.length(state.length + 2);
    expect((await verify()).differences).to.deep.equal([]);

    // verify finds damage to what the checkpoint takes as given
    await ask(`
      update bankpulse.checkpoint_pairs set transaction_count = 2, total_amount = 0 where customer_id = 'A';
      delete from bankpulse.detections where customer_id = 'C1-000';
      delete from bankpulse.chunks where chunk_no = 4`);
    const { differences } = await verify();
    for (const expected of [
      /^checkpoint of chunk 6: its pairs have 22 transactions, the chunks up to it had 21 rows accepted$/,
      /^customer_merchant_stats, merchant market, customer A: .* the replay has .*$/,
      /^PatId2, merchant shop, customer C1-000: missing: it holds after chunk 6, and is not detected$/,
      /^chunk 1 .* has 4 detections, the table has 3$/,
      /^chunk 4: it has 3 detections, and is not in the ledger$/,
    ])
      expect(
        differences.filter((text) => expected.test(text)),
        expected.source,
      ).to.have.length(1);
  });
  const one = async (name: string) => (await ledger()).find(({ object_key }) => object_key === name)!;

  it('keeps a missing number missing: it is applied when it comes, as late', async () => {
    for (const number of [1, 2, 4, 5]) await put(number, quiet(number));
    await detectOnce();
    await pruneAll(true);
    expect(await prunedObjects()).to.deep.equal(['chunk_[1]1-2.csv', 'chunk_[1]4-4.csv']);
    await put(3, quiet(3));
    await put(6, quiet(6));
    await detectOnce();
    expect(
      (await ledger()).map(({ object_number, chunk_no, is_late }) => [object_number, chunk_no, is_late]),
    ).to.deep.equal([
      [5, 4, false],
      [3, 5, true],
      [6, 6, false],
    ]);
    await pruneAll(); // verifies, too
    expect(await prunedObjects(), 'the hole is filled').to.deep.equal(['chunk_[1]1-5.csv']);
  });

  it('by name: a pruned key is known, one below it that is new is late', async () => {
    const CHUNK_ORDER = 'name';
    for (const name of ['a-x.csv', 'b-07.csv', 'b-08.csv', 'b-10.csv', 'c.csv'])
      await put(name, csv(`${name},M,market,100`));
    await detectOnce({ CHUNK_ORDER });
    await pruneAll(true);
    expect(await keys()).to.deep.equal(['c.csv']);
    expect(await prunedObjects()).to.deep.equal(['a-x.csv[0]0-0', 'b-[2]7-8.csv', 'b-[2]10-10.csv']);
    await put('b-09.csv', csv('late,M,market,100'));
    await put('d.csv', csv('new,M,market,100'));
    await detectOnce({ CHUNK_ORDER });
    expect((await ledger()).map(({ object_key, is_late }) => [object_key, is_late])).to.deep.equal([
      ['c.csv', false],
      ['b-09.csv', true],
      ['d.csv', false],
    ]);
    expect(await current.state()).to.have.length(7);
    expect((await verify()).differences).to.deep.equal([]);
  });

  it('leaves no checkpoint of a damaged state behind, and refuses one, with the differences; --unverified only checks the counts', async () => {
    await stream();
    const streamed = await copyTestDatabase(current.database);
    const right = await current.state();
    // damage that no count tells
    await ask("update bankpulse.customer_merchant_stats set total_amount = 0 where customer_id = 'A'");
    const unverified = ['prune', '--older-than', '1000', '--unverified'];
    expect(await run(unverified, environment())).to.include({ code: 0 });
    expect(await run(['rebuild', '--from-start'], environment())).to.include({ code: 0 });
    expect(await current.state()).to.deep.equal(right);
    expect((await ask('select * from bankpulse.checkpoint')).rows).to.deep.equal([]);
    expect((await verify()).differences).to.deep.equal([]);

    const prune = (...flags: string[]) => run(['prune', '--older-than', '1000', ...flags], environment());
    expect(await prune('--unverified')).to.include({ code: 0 });
    expect(await prune()).to.include({ code: 0 });
    const trusted = async () => describeAudit(await verify()).includes('(verified when it was taken)');
    expect(await trusted()).to.be.false;
    expect((await verify({ fromStart: true })).totals.chunk_count).to.equal(6);
    expect(await prune('--from-start')).to.include({ code: 0 });
    expect(await trusted()).to.be.true;
    const { code, stderr } = await prune('--from-start', '--unverified');
    expect([code, stderr]).to.deep.equal([
      2,
      'configuration: --unverified replays nothing, and --from-start all: give one of them\n',
    ]);

    // once more without a checkpoint
    await current.renewDatabase(streamed);
    await dropTestDatabase(streamed);
    await ask("update bankpulse.customer_merchant_stats set total_amount = 0 where customer_id = 'A'");
    const refused = await run(['prune', '--older-than', '0'], environment());
    expect(refused.code).to.equal(1);
    expect(refused.stdout).to.match(
      /\ncustomer_merchant_stats, merchant market, customer A: .*\nNothing is pruned, /,
    );
    expect(await keys()).to.have.length(6);
    await pruneAll(true);
    expect(await keys()).to.have.length(3);
    await put(7, quiet(7));
    await detectOnce();
    await pruneAll();
    expect(describeAudit(await verify())).to.match(
      /chunk 7 \(taken without verify up to chunk 6\): .*\nNo difference\.$/,
    );
    await put(8, quiet(8));
    await detectOnce();
    await ask("delete from bankpulse.customer_merchant_stats where customer_id = 'A'");
    expect(await pruneAll(true).then(() => undefined, messageOf)).to.match(
      /^the state is damaged, and nothing is pruned: checkpoint of chunk 8: its pairs have 24 transactions, the chunks up to it had 25 rows accepted; run "npm run rebuild" if .*$/,
    );
  });

  it('does without the detection files, and says what to do about a chunk that the store does not hand out', async () => {
    const odd = await OddStore.start();
    try {
      const archived: string[] = [];
      odd.oddity = ({ method, isListing, key }, res) => {
        if (method !== 'GET' || isListing || !archived.some((part) => key.includes(part))) return false;
        refuse(res, 403, 'InvalidObjectState', 'The operation is not valid');
        return true;
      };
      const env = { ...environment(), AWS_ENDPOINT_URL_S3: odd.endpoint, S3_BUCKET: 'odd' };
      odd.put(chunkKey(1), children(1, 4));
      odd.put(chunkKey(2), quiet(2));
      const store = odd.open();
      await detectOnce({ BATCH_ROWS }, { store });

      archived.push('/detections-00000001.csv');
      const verified = await withAudit({ ...current, s3: { ...current.s3, store } }, (options) =>
        audit(options),
      );
      expect(describeAudit(verified)).to.match(
        /\n1 difference:\n\S+\/detections-00000001\.csv: the file of batch 1 cannot be read: it is archived \(InvalidObjectState: The operation is not valid\): restore it from the archive; .*$/,
      );
      expect(await run(['prune', '--older-than', '0'], env)).to.include({ code: 0 });

      odd.put(chunkKey(3), quiet(3));
      await detectOnce({ BATCH_ROWS }, { store });
      archived.push('/chunk_3.csv');
      const refused = await run(['prune', '--older-than', '0'], env);
      expect(refused.stdout).to.match(
        /\nfiles {7}not compared\n[^]*\n1 difference:\nchunk 3 \(\S+\): its object cannot be read: it is archived .*\nNothing is pruned: make these objects readable again, or run it with --unverified, which takes the state as it is\.\n$/,
      );
      expect(refused).to.include({ code: 1 });
      expect(await run(['prune', '--older-than', '0', '--unverified'], env)).to.include({ code: 0 });
    } finally {
      await odd.stop();
    }
  });

  it('refuses a second one, a role that may not, and what is no number of days; removes only what is older, and unused runs; can be killed, and lets Y work', async () => {
    await stream();
    const holder = await connect(current.database.config);
    try {
      await lockAudit(holder);
      expectRefusal(
        await run(['prune', '--older-than', '0'], environment()),
        /^error: another verify, rebuild, backtest or prune is at work in this database$/,
      );
    } finally {
      await holder.end();
    }
    const role = `${current.database.name}_role`;
    await ask(`create role ${role} login createdb password 'secret' in role bankpulse_writer`);
    try {
      const url = new URL(current.database.url);
      url.username = role;
      url.password = 'secret';
      expectRefusal(
        await run(['prune', '--older-than', '0'], { ...environment(), DATABASE_URL: url.href }),
        /^error: \w+ may not prune the ledger: run this as the owner of the tables, \w+$/,
      );
    } finally {
      await ask(`drop role ${role}`);
    }
    for (const days of ['-1', 'x', '', '1e3', '99999999']) {
      const { code, stderr } = await run(['prune', `--older-than=${days}`], environment());
      expect([code, stderr], days).to.deep.equal([
        2,
        `configuration: --older-than must be a number of days from 0 to 1000000, not "${days}"\n`,
      ]);
    }
    expect(await keys()).to.have.length(6);

    await ask(
      `update bankpulse.chunks set applied_at = now() - interval '10 days' where chunk_no in (1, 2, 5)`,
    );
    await detectOnce(); // a run that does nothing
    await detectOnce();
    await ask(
      `update bankpulse.runs set started_at = started_at - interval '10 days', ended_at = ended_at - interval '9 days'`,
    );
    await ask('insert into bankpulse.runs default values'); // may be a Y that stands by
    const pruned = await withAudit(current, async (options) => {
      const plan = await planPrune(options.session, 9.5);
      await bringCheckpointUpTo(options, plan.newest_chunk_no, { unverified: true });
      const removed = { chunks: 0, rejectedRows: 0, runs: 0 };
      await prune(options.session, plan, options.signal, removed);
      await prune(options.session, await planPrune(options.session, 8.5), options.signal, removed);
      return removed;
    });
    expect(pruned).to.deep.equal({ chunks: 1, rejectedRows: 1, runs: 1 });
    expect(await keys()).to.deep.equal([1, 3, 4, 5, 6].map((number) => `chunk_${number}.csv`));
    expect((await ask('select run_id::int from bankpulse.runs order by run_id')).rows).to.deep.equal([
      { run_id: 1 },
      { run_id: 3 },
      { run_id: 4 },
    ]);

    // it does not stop mechanism Y, and can be killed at any moment; the files bear the start of their run
    await ask(
      `update bankpulse.runs set started_at = started_at + interval '10 days', ended_at = ended_at + interval '9 days'
       where ended_at is not null`,
    );
    const detector = startDetector({ BATCH_ROWS });
    const other = await connect(current.database.config);
    let killed: Command | undefined;
    try {
      // it waits for this row, half-way through the removal
      await other.query('begin; select from bankpulse.chunks where chunk_no = 5 for update');
      killed = Command.start(['prune', '--older-than', '0'], environment());
      await until('it waits', async () => {
        const { rowCount } = await ask(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      });
      await put(7, children(7, 2));
      await until('the next chunk is applied', async () => (await keys()).includes('chunk_7.csv'));
      killed.child.kill('SIGKILL');
      await killed.ended;
    } finally {
      await other.end();
      if (killed?.child.exitCode === null) killed.child.kill('SIGKILL');
    }
    await until('its session is gone', async () => {
      const { rowCount } = await ask(
        `select from pg_locks where locktype = 'advisory' and objid = 4242003
         and database = (select oid from pg_database where datname = current_database())`,
      );
      return rowCount === 0;
    });
    await pruneAll(true);
    await put(8, quiet(8));
    await until('the next chunk is applied', async () => (await keys()).includes('chunk_8.csv'));
    await detector.stop();
    expect(await keys()).to.deep.equal(['chunk_1.csv', 'chunk_4.csv', 'chunk_7.csv', 'chunk_8.csv']);
    expect((await verify()).differences).to.deep.equal([]);
  });

  it('changes nothing of what is found: a stream with prunes equals the same stream without', async function () {
    if (isLargeDose) this.timeout(1_800_000);
    let round = 0;
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('children', 'quiet', 'rejected') },
      { weight: 2, arbitrary: fc.constantFrom('hole', 'unusable') },
      { weight: 3, arbitrary: fc.constantFrom('prune', 'fill', 'copy') },
    );
    const contentOf: Record<string, (number: number) => string> = {
      children: (number) => children(number % 5, 1 + (number % 3)),
      quiet: (number) => csv(`Q${number % 4},F,salon,1000`, `R${number % 7},M,salon,1000`),
      rejected: (number) => csv(`A,F,market,none`, `B${number},M,market,2`),
      unusable: () => 'no,header\n',
    };
    /** Applies the stream in a folder of its own. @returns what came of it. */
    async function apply(steps: readonly string[], folder: string, isPruned: boolean): Promise<object> {
      await current.renewDatabase();
      const settings = {
        CHUNKS_PREFIX: `${current.prefix}chunks/${folder}`,
        DETECTIONS_PREFIX: `${current.prefix}detections/${folder}`,
      };
      const holes: number[] = [];
      let last = 0;
      for (const [index, kind] of steps.entries()) {
        const key = (number: number) => `${folder}chunk_${number}.csv`;
        if (kind === 'hole') holes.push(++last);
        else if (kind === 'fill') {
          const number = holes.shift();
          if (number !== undefined) await put(key(number), contentOf['children']!(number));
        } else if (kind === 'copy') await put(`${folder}copy-${index}_1.csv`, contentOf['quiet']!(index));
        else if (kind !== 'prune') await put(key(++last), contentOf[kind]!(last));
        else if (isPruned && (await ledger()).some(({ chunk_no }) => chunk_no !== null)) await pruneAll(true);
        if (index + 1 === steps.length || ['prune', 'fill', 'copy'].includes(steps[index + 1]!))
          await detectOnce({ BATCH_ROWS, GAP_TIMEOUT_MS: 1, ...settings });
      }
      if (isPruned) {
        const { differences } = await withAudit(current, (options) => audit({ ...options, settings }));
        expect(differences).to.deep.equal([]);
      }
      const written: string[][] = [];
      for await (const { key } of current.s3.store.list(settings.DETECTIONS_PREFIX))
        written.push(rowsOf((await current.s3.store.getWhole(key))!.content.toString()));
      const { rows: quarantined } = await ask(
        `select replace(object_key, $1, '') as name, error from bankpulse.chunks where status = 'quarantined' order by 1`,
        [settings.CHUNKS_PREFIX],
      );
      return { detections: await detections(), state: await current.state(), quarantined, written };
    }
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: isLargeDose ? 6 : 8, maxLength: 12 }), async (steps) => {
        round++;
        expect(await apply(steps, `${round}p/`, true)).to.deep.equal(await apply(steps, `${round}/`, false));
      }),
      { numRuns: isLargeDose ? 40 : 1 },
    );
  });
});
