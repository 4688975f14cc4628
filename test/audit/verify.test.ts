import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { audit, type Audit } from '../../src/audit/audit.js';
import { describeAudit } from '../../src/audit/report.js';
import { connect } from '../../src/database/connection.js';
import { withAudit } from '../support/audit.js';
import { withRole } from '../support/database.js';
import { children, csv, setThresholds, until, useDetector } from '../support/detector.js';
import { installTestPatterns } from '../support/patterns.js';
import { Command, expectRefusal, run } from '../support/process.js';

const BATCH_ROWS = 3;
const row = (text: string, count: number) => Array.from({ length: count }, () => text);

describe('verify', () => {
  const started: Command[] = [];
  // before the hook that drops the database
  afterEach(async () => {
    for (const { child, ended } of started.splice(0)) {
      if (child.exitCode === null) child.kill('SIGKILL');
      await ended;
    }
    await ask(`drop database if exists ${scratchName()} with (force)`);
  });
  const current = useDetector();
  const { put, detectOnce, startDetector, chunkKey, environment } = current;
  /** Seven detections of all three patterns, in files of 3, 3 and 1. */
  async function stream(): Promise<void> {
    await put(1, children(1, 3));
    await put(2, csv(...row('C1,F,shop,50', 25)));
    await put(
      3,
      csv('A,F,salon,1', 'B,F,salon,1', 'C,F,salon,1', ...[...'DEFG'].map((name) => `${name},M,salon,1`)),
    );
    await put(4, children(4, 2));
    await detectOnce({ BATCH_ROWS });
  }

  const ask = (query: string, values: unknown[] = []) => current.database.client.query(query, values);
  const fileKey = (number: number) => `${current.prefix}detections/detections-0000000${number}.csv`;
  const remove = (key: string) =>
    current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: key }));
  const putFile = (key: string, content: string | Buffer) => current.s3.store.put(key, content, 'text/csv');
  async function edit(number: number, change: (lines: string[]) => string[]): Promise<void> {
    const { content } = (await current.s3.store.getWhole(fileKey(number)))!;
    const lines = content.toString().trimEnd().split('\n');
    await putFile(
      fileKey(number),
      change(lines)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }

  const verify = (): Promise<Audit> => withAudit(current, (options) => audit(options));

  async function expectDifferences(...expected: string[]): Promise<Audit> {
    const found = await verify();
    const short = found.differences.map((difference) => difference.replaceAll(current.prefix, ''));
    expect(short).to.deep.equal(expected);
    return found;
  }

  it('says before it starts what is before it, and while it runs how long the rest takes', async () => {
    await stream();
    const { stderr } = await run(['verify'], environment());
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; appliedInSeconds?: number });
    const before = lines.find(({ msg }) => msg.startsWith('replaying the ledger;'));
    const { rows } = await ask('select sum(row_count)::integer as rows from bankpulse.chunks');
    expect(before).to.include({ chunks: 4, ...rows[0] });
    expect(before!.appliedInSeconds).to.be.at.least(0);
    expect(lines.findLast(({ msg }) => msg === 'chunks replayed')).to.include({
      chunks: 4,
      of: 4,
      left: '0 s',
    });
  });

  const scratchName = () => `${current.database.name}_verify`;
  async function scratchExists(): Promise<boolean> {
    return (await ask('select from pg_database where datname = $1', [scratchName()])).rowCount === 1;
  }

  function start(): Command {
    const command = Command.start(['verify'], environment());
    started.push(command);
    return command;
  }

  describe('of an undamaged stream', () => {
    it('ends with 0 and says what was compared; the scratch database is gone', async () => {
      await stream();
      const { code, stdout } = await run(['verify'], environment());
      expect(stdout.split('\n')).to.deep.equal([
        'chunks      4 replayed, 42 rows',
        'detections  7 judged again, 0 taken as given',
        'files       3 read, 7 rows; 0 not written yet, 0 detections in no batch yet',
        'state       13 pairs at 2 merchants',
        'No difference.',
        '',
      ]);
      expect(code).to.equal(0);
      expect(await scratchExists()).to.equal(false);
    });

    it('finds no difference before the first chunk', async () => {
      expect((await expectDifferences()).totals.chunk_count).to.equal(0);
    });

    it('finds none with rejected rows, odd names, and names that are written alike', async () => {
      await put(1, csv(...row('=x,F,shop,1', 2), ...row("'=x,F,shop,1", 2), 'C,F,shop,none', ',F,shop,1'));
      await put(2, csv(...row('@y,F,-shop,1', 2)));
      await put(3, Buffer.from(csv()));
      await detectOnce({ BATCH_ROWS });
      const { totals } = await expectDifferences();
      expect(totals).to.include({ judged_detections: 3, file_row_count: 3, row_count: 6 });
    });

    it('finds none under the settings of a database that writes dates otherwise, and isolates more', async () => {
      const { name, client } = current.database;
      await client.query(`alter database ${name} set datestyle = 'SQL, DMY'`);
      await client.query(`alter database ${name} set intervalstyle = 'sql_standard'`);
      await client.query(`alter database ${name} set default_transaction_isolation = 'serializable'`);
      await stream();
      await expectDifferences();
    });

    it('finds none while mechanism Y goes on', async () => {
      await stream();
      const detector = startDetector({ BATCH_ROWS });
      let isOver = false;
      const feeding = (async () => {
        for (let number = 5; !isOver && number < 40; number++) {
          await put(number, children(number, 2));
          await sleep(100);
        }
      })();
      try {
        for (let turn = 0; turn < 2; turn++) await expectDifferences();
      } finally {
        isOver = true;
        await feeding;
        await detector.stop();
      }
      await expectDifferences();
    });

    it('says what is not written yet, which is no difference', async () => {
      await stream();
      await ask('update bankpulse.detection_batches set exported_at = null where batch_no = 2');
      await remove(fileKey(2));
      await ask('update bankpulse.detections set batch_no = null where batch_no = 3');
      await ask('delete from bankpulse.detection_batches where batch_no = 3');
      await remove(fileKey(3));
      const { totals } = await expectDifferences();
      expect(totals).to.include({ file_count: 1, unwritten_batches: 1, unbatched_detections: 1 });
    });

    it('reads a file that was written, though the process died before it noted that', async () => {
      await stream();
      await ask('update bankpulse.detection_batches set exported_at = null where batch_no = 3');
      expect((await expectDifferences()).totals).to.include({ file_count: 3, unwritten_batches: 0 });
      await edit(3, (lines) => lines.slice(0, 1));
      await expectDifferences(
        'PatId2, merchant shop, customer C4-001: in no file; it belongs to detections/detections-00000003.csv',
      );
    });
  });

  describe('of detections', () => {
    beforeEach(stream);

    it('reports one that is missing', async () => {
      await ask(`delete from bankpulse.detections where pattern_id = 'PatId1'`);
      await expectDifferences(
        'PatId1, merchant shop, customer C1: missing: it holds after chunk 2, and is not detected',
        'batch 2: the outbox has 3 detections, the table has 2',
        'PatId1, merchant shop, customer C1: unknown; it stands in detections/detections-00000002.csv, row 1',
        'upgrade_candidates, merchant shop, customer C1: no row; the replay has {"weight_count": 1, "average_weight": 1.0000000000, "smaller_weights": 0}',
      );
    });

    it('reports one too many', async () => {
      await ask(
        `insert into bankpulse.detections (pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, reason)
         values ('PatId2', 'CHILD', 'shop', 'nobody', 2, 1, now(), '{}')`,
      );
      await expectDifferences(
        'PatId2, merchant shop, customer nobody: extra: detected in chunk 2, and it never held',
      );
    });

    it('reports a wrong chunk', async () => {
      await ask(`update bankpulse.detections set chunk_no = 2 where merchant_id = 'salon'`);
      await expectDifferences(
        'PatId3, merchant salon: wrong chunk: detected in chunk 2, and it first held after chunk 3',
      );
    });

    it('judges by pattern_matches: what a broken detect function misses is reported', async () => {
      await ask(
        `create or replace function bankpulse.detect_child(p_thresholds jsonb)
         returns table (merchant_id text, customer_id text, reason jsonb)
         language sql stable begin atomic select null, null, null::jsonb where false; end`,
      );
      // the first chunk after a change of a function is judged by the match functions
      await put(5, children(5, 1));
      await put(6, children(6, 1));
      await detectOnce({ BATCH_ROWS });
      await expectDifferences(
        'PatId2, merchant shop, customer C6-000: missing: it holds after chunk 6, and is not detected',
      );
    });
  });

  describe('of the files in S3', () => {
    beforeEach(stream);
    const second = 'detections/detections-00000002.csv';
    const third = 'detections/detections-00000003.csv';

    it('reports a row that stands in no file', async () => {
      await edit(2, ([header, first, , last]) => [header!, first!, last!]);
      await expectDifferences(`PatId3, merchant salon: in no file; it belongs to ${second}`);
    });

    it('reports a row that stands twice in a file', async () => {
      await edit(2, (lines) => [...lines, lines[3]!]);
      await expectDifferences(`PatId2, merchant shop, customer C4-000: once more in ${second}, row 4`);
    });

    it('reports a row that stands in two files', async () => {
      let copy = '';
      await edit(2, (lines) => {
        copy = lines[3]!;
        return lines;
      });
      await edit(3, (lines) => [...lines, copy]);
      await expectDifferences(`PatId2, merchant shop, customer C4-000: once more in ${third}, row 2`);
    });

    it('reports a row that stands in another file', async () => {
      let moved = '';
      await edit(2, (lines) => {
        moved = lines.pop()!;
        return lines;
      });
      await edit(3, ([header, ...lines]) => [header!, moved, ...lines]);
      await expectDifferences(
        `PatId2, merchant shop, customer C4-000: in ${third}, row 1; it belongs to ${second}`,
      );
    });

    it('reports an unknown row, on one line whatever it holds', async () => {
      await edit(3, (lines) => [
        ...lines,
        lines[1]!.replace(/C4-001,shop/, '"no\u001b[31mbody\nnowhere",shop'),
      ]);
      const found = await expectDifferences(
        `PatId2, merchant shop, customer no\u001b[31mbody\nnowhere: unknown; it stands in ${third}, row 2`,
      );
      expect(describeAudit(found)).to.include('no\\u001b[31mbody\\u000anowhere');
    });

    it('reports rows in another order', async () => {
      await edit(1, ([header, first, next, last]) => [header!, next!, first!, last!]);
      await expectDifferences(
        'PatId2, merchant shop, customer C1-000: out of order in detections/detections-00000001.csv, row 2',
      );
    });

    it('reports a changed value, a row of another shape and a missing header', async () => {
      await edit(1, ([header, first, ...lines]) => [header!, first!.replace('CHILD', 'ADULT'), ...lines]);
      await edit(2, ([header, first, ...lines]) => [header!, `${first},more`, ...lines]);
      await edit(3, ([header, ...lines]) => [header!.toUpperCase(), ...lines]);
      await expectDifferences(
        `${second}, row 1: 7 fields instead of 6`,
        `${third}, row 0: not the header`,
        'PatId2, merchant shop, customer C1-000: changed in detections/detections-00000001.csv, row 1',
      );
    });

    it('reports a file that is gone, one that is no text, one that is no CSV, and one of no batch', async () => {
      await remove(fileKey(1));
      await putFile(fileKey(2), Buffer.from([0xff, 0x00]));
      await putFile(fileKey(3), 'a,"b\n');
      await putFile(fileKey(7), 'header\n');
      const { differences } = await verify();
      expect(differences).to.have.length(4);
      expect(differences[0]).to.match(/0001\.csv: the file of batch 1 is gone$/);
      expect(differences[1]).to.match(/0002\.csv: the file of batch 2 cannot be read: it is not UTF-8 text$/);
      expect(differences[2]).to.match(/0003\.csv: the file of batch 3 cannot be read: Quote Not Closed/);
      expect(differences[3]).to.match(/0007\.csv: no batch has this file$/);
    });

    it('reports a batch that the outbox has lost', async () => {
      await ask('delete from bankpulse.detection_batches where batch_no = 2');
      const { differences } = await verify();
      expect(differences[0]).to.match(/0002\.csv: no batch has this file$/);
      expect(differences[1]).to.equal('batch 2: not in the outbox');
    });
  });

  describe('of chunks', () => {
    beforeEach(stream);

    it('reports an object that is gone, and compares what came before it', async () => {
      await remove(chunkKey(3));
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      const found = await verify();
      expect(found.lastChunkNo).to.equal(2);
      expect(found.differences[0]).to.match(/^chunk 3 \(.*chunk_3\.csv\): its object is gone$/);
      expect(found.differences[1]).to.match(/C1-000: missing: it holds after chunk 1/);
      expect(found.differences.filter((line) => /extra|replay has/.test(line))).to.deep.equal([]);
      expect(describeAudit(found)).to.include('Chunks after 2 cannot be replayed');
    });

    it('reports objects that others have replaced, every one', async () => {
      await put(2, csv('C1,F,shop,50'));
      await put(4, csv());
      const { differences } = await verify();
      expect(differences).to.have.length(2);
      expect(differences[0]).to.match(
        /^chunk 2 \(.*chunk_2\.csv\): another object stands there now \(ETag \w+, applied was \w+\)$/,
      );
      expect(differences[1]).to.match(/^chunk 4 /);
    });

    it('reports counts and numbers of the ledger that are not right', async () => {
      await ask('update bankpulse.chunks set row_count = 5, rejected_count = 1 where chunk_no = 1');
      await expectDifferences(
        'chunk 1 (chunks/chunk_1.csv): the ledger has 5 rows accepted and 1 rejected, the replay 6 and 0',
        'total of rows_applied: 42 is recorded, the tables have 41; recount_totals() counts anew',
        'total of rows_rejected: 0 is recorded, the tables have 1; recount_totals() counts anew',
      );
      await ask('update bankpulse.chunks set row_count = 6, rejected_count = 0 where chunk_no = 1');
      await ask('update bankpulse.chunks set chunk_no = 5 where chunk_no = 4');
      const { differences } = await verify();
      expect(differences[0]).to.equal('chunk 4: not in the ledger');
    });
  });

  describe('of the state', () => {
    beforeEach(stream);

    it('reports pairs, merchants and histogram that are not right', async () => {
      await ask(`update bankpulse.customer_merchant_stats set total_amount = 1 where customer_id = 'C1'`);
      await ask(`delete from bankpulse.customer_merchant_stats where customer_id = 'A'`);
      await ask(`insert into bankpulse.customer_merchant_stats values ('salon', 'Z', 'F', 1, 1)`);
      await ask(`update bankpulse.merchant_stats set female_count = 2 where merchant_id = 'salon'`);
      await ask(`delete from bankpulse.merchant_count_histogram where transaction_count = 25`);
      await expectDifferences(
        'customer_merchant_stats, merchant salon, customer A: no row; the replay has {"gender": "F", "total_amount": 1, "transaction_count": 1}',
        'customer_merchant_stats, merchant salon, customer Z: {"gender": "F", "total_amount": 1, "transaction_count": 1}; the replay has no row',
        'customer_merchant_stats, merchant shop, customer C1: {"gender": "F", "total_amount": 1, "transaction_count": 25}; the replay has {"gender": "F", "total_amount": 1250, "transaction_count": 25}',
        'merchant_stats, merchant salon: {"male_count": 4, "female_count": 2, "customer_count": 7, "transaction_count": 7}; the replay has {"male_count": 4, "female_count": 3, "customer_count": 7, "transaction_count": 7}',
        'merchant_count_histogram, merchant shop: no row; the replay has {"customer_count": 1, "transaction_count": 25}',
      );
    });

    it('reports what PatId1 remembers wrongly', async () => {
      await ask(`insert into bankpulse.upgrade_candidates values ('shop', 'nobody', 1, 0, 1)`);
      await ask(`update bankpulse.merchant_top_counts set top_count = 2 where merchant_id = 'shop'`);
      await expectDifferences(
        'upgrade_candidates, merchant shop, customer nobody: {"weight_count": 1, "average_weight": 1, "smaller_weights": 0}; the replay has no row',
        'merchant_top_counts, merchant shop: {"top_count": 2, "former_top_count": 25}; the replay has {"top_count": 25, "former_top_count": 25}',
      );
    });
  });

  describe('of a ledger with more than one rules_hash', () => {
    beforeEach(async () => {
      await stream();
      // detections by the former threshold stay, though they no longer hold by this one
      await setThresholds(current.database, 'PatId2', { transactions_from: 4 });
      await put(5, csv(...row('D,F,shop,1', 3)));
      await put(6, csv('D,F,shop,1'));
      await detectOnce({ BATCH_ROWS });
    });

    it('judges each chunk by the rules of its time', async () => {
      const found = await expectDifferences();
      expect(found.totals).to.include({ judged_detections: 8, given_detections: 0 });
      expect(found.unjudged).to.deep.equal([]);
    });

    it('reports differences on both sides of the change', async () => {
      await ask(`update bankpulse.detections set chunk_no = 5 where customer_id = 'D'`);
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      const { differences } = await verify();
      expect(differences.slice(0, 2)).to.deep.equal([
        'PatId2, merchant shop, customer C1-000: missing: it holds after chunk 1, and is not detected',
        'PatId2, merchant shop, customer D: wrong chunk: detected in chunk 5, and it first held after chunk 6',
      ]);
    });

    it('judges a change after the last chunk, one to and fro, and one that finds what the former had not', async () => {
      await setThresholds(current.database, 'PatId2', { transactions_from: 5 });
      await expectDifferences();
      await setThresholds(current.database, 'PatId2', { transactions_from: 1 });
      await put(7, csv());
      await setThresholds(current.database, 'PatId2', { transactions_from: 4 });
      await setThresholds(current.database, 'PatId2', { transactions_from: 1 });
      await detectOnce({ BATCH_ROWS });
      const { totals } = await expectDifferences();
      expect(totals).to.include({ given_detections: 0, judged_detections: 15 });
    });

    it('takes detections as given where the rules cannot be known, and compares all else', async () => {
      const counts = async () => (await expectDifferences()).totals;
      await ask(`delete from bankpulse.rules_history where first_chunk_no = 1`);
      const former = await expectDifferences();
      expect(former.totals).to.include({ judged_detections: 1, given_detections: 7 });
      expect(describeAudit(former)).to.include(
        '\nChunks 1 to 4 were judged by rules that are not known any more: the detections are taken as given.\n',
      );
      await ask(`update bankpulse.importance_file set fingerprint = 'x', loaded_at = clock_timestamp()`);
      expect(await counts()).to.include({ judged_detections: 0, given_detections: 8 });
      expect(describeAudit(await verify())).to.include(
        '\nChunks 5 to 6 were judged by another importance file: the detections are taken as given.\n',
      );
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      await ask(`update bankpulse.customer_merchant_stats set total_amount = 7 where customer_id = 'D'`);
      const { differences } = await verify();
      expect(differences[0]!.replaceAll(current.prefix, '')).to.equal(
        'chunk 1 (chunks/chunk_1.csv): the ledger has 3 detections, the table has 2',
      );
      expect(differences.at(-1)).to.match(/^customer_merchant_stats, merchant shop, customer D: /);
    });

    it('says which function it does not have, and leaves out what that pattern remembers', async () => {
      await installTestPatterns(current.database.client);
      await put(7, csv(...row('E,F,kiosk,300', 10)));
      await detectOnce({ BATCH_ROWS });
      await put(8, csv(...row('E,F,kiosk,300', 10)));
      await detectOnce({ BATCH_ROWS });
      const { unjudged, totals } = await expectDifferences();
      expect(unjudged).to.deep.equal([
        { first_chunk_no: 7, last_chunk_no: 8, because: 'function match_big_spender, which is not in sql/' },
      ]);
      expect(totals).to.include({ judged_detections: 8, given_detections: 4 });
    });

    it('says which function has changed since', async () => {
      await ask(
        `update bankpulse.rules_history
         set patterns = jsonb_set(patterns, '{PatId2, match_definition}', '"former"') where first_chunk_no = 1`,
      );
      expect((await expectDifferences()).unjudged).to.deep.equal([
        { first_chunk_no: 1, last_chunk_no: 4, because: 'another version of function match_child' },
      ]);
    });
  });

  describe('the command', () => {
    beforeEach(stream);

    it('ends with 1 when there is a difference, each on a line of stdout', async () => {
      await ask(`update bankpulse.detections set chunk_no = 2 where merchant_id = 'salon'`);
      const { code, stdout } = await run(['verify'], environment());
      expect(stdout).to.include(
        '\n1 difference:\nPatId3, merchant salon: wrong chunk: detected in chunk 2, and it first held after chunk 3\n',
      );
      expect(code).to.equal(1);
      expect(await scratchExists()).to.equal(false);
    });

    it('says in one line that the role may not create databases', async () => {
      await withRole(current.database, 'in role bankpulse_reader', async (url, role) => {
        const env = { ...environment(), DATABASE_URL: url };
        expectRefusal(
          await run(['verify'], env),
          /^error: (\w+) may not create database ".*_verify": let an administrator say "alter role \1 createdb"$/,
        );
        await ask(`alter role ${role} createdb`);
        const { code, stdout } = await run(['verify'], env);
        expect(stdout).to.include('No difference.');
        expect(code).to.equal(0);
      });
    });

    it('says that another one is at work', async () => {
      await ask('select pg_advisory_lock(4242003)');
      const ended = await run(['verify'], environment());
      await ask('select pg_advisory_unlock(4242003)');
      expectRefusal(ended, /^error: another verify, rebuild, backtest or prune is at work in this database$/);
    });

    it('leaves a database alone that only has the name of its own', async () => {
      await ask(`create database ${scratchName()}`);
      expectRefusal(
        await run(['verify'], environment()),
        /^error: database ".*_verify" exists, and BankPulse did not create it: rename or drop it$/,
      );
      expect(await scratchExists()).to.equal(true);
    });

    it('asks for the migration first', async () => {
      await ask(`delete from bankpulse.applied_sql_files where file_name = '10_audit/open_audit.sql'`);
      expectRefusal(
        await run(['verify'], environment()),
        /^error: the schema is not up to date: run "npm run migrate" first$/,
      );
    });

    describe('when it is ended early', () => {
      /** A verify that is held up in the middle of its copy. */
      async function heldUp(work: (command: Command) => Promise<void>): Promise<void> {
        const holder = await connect(current.database.config);
        try {
          await holder.query('begin; lock table bankpulse.detections in access exclusive mode');
          const command = start();
          await until('it waits', async () => {
            // not on the holder's session: pg_stat_activity stays the same within a transaction
            const { rowCount } = await ask(
              `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
            );
            return rowCount === 1;
          });
          expect(await scratchExists()).to.equal(true);
          await work(command);
        } finally {
          await holder.end();
        }
      }

      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        it(`drops the scratch database at ${signal} and ends with 1`, async () => {
          await heldUp(async (command) => {
            command.child.kill(signal);
            expectRefusal(await command.ended, /^error: interrupted$/);
            expect(await scratchExists()).to.equal(false);
          });
        });
      }

      it('leaves the scratch database behind at SIGKILL, and the next one replaces it', async () => {
        await heldUp(async (command) => {
          command.child.kill('SIGKILL');
          await command.ended;
          expect(await scratchExists()).to.equal(true);
        });
        await until('its lock is free', async () => {
          const { rows } = await ask(
            'select pg_try_advisory_lock(4242003) as is_free, pg_advisory_unlock(4242003)',
          );
          return (rows[0] as { is_free: boolean }).is_free;
        });
        const { code, stdout } = await run(['verify'], environment());
        expect(stdout).to.include('No difference.');
        expect(code).to.equal(0);
        expect(await scratchExists()).to.equal(false);
      });
    });
  });
});
