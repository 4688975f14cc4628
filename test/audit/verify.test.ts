import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { audit, type Audit } from '../../src/audit/audit.js';
import { describeAudit } from '../../src/audit/report.js';
import { connect } from '../../src/database/connection.js';
import { withAudit } from '../support/audit.js';
import { copyTestDatabase, dropTestDatabase, withRole } from '../support/database.js';
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
  const fileKey = (number: number) =>
    `${current.prefix}detections/detections-${String(number).padStart(8, '0')}.csv`;
  const remove = (key: string) =>
    current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: key }));
  const putFile = (key: string, content: string | Buffer) => current.s3.store.put(key, content, 'text/csv');
  async function linesOf(number: number): Promise<string[]> {
    const { content } = (await current.s3.store.getWhole(fileKey(number)))!;
    return content.toString().trimEnd().split('\n');
  }
  async function edit(number: number, change: (lines: string[]) => string[]): Promise<void> {
    const lines = change(await linesOf(number));
    await putFile(fileKey(number), lines.map((line) => `${line}\n`).join(''));
  }

  const verify = (): Promise<Audit> => withAudit(current, (options) => audit(options));

  async function expectDifferences(...expected: string[]): Promise<Audit> {
    const found = await verify();
    const short = found.differences.map((difference) => difference.replaceAll(current.prefix, ''));
    expect(short).to.deep.equal(expected);
    return found;
  }

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
    it('says what is before it, how long the rest takes, what was compared, and what is not written yet; the scratch database is gone', async () => {
      // of a database that writes dates otherwise, and isolates more
      const { name, client } = current.database;
      await client.query(`alter database ${name} set datestyle = 'SQL, DMY'`);
      await client.query(`alter database ${name} set intervalstyle = 'sql_standard'`);
      await client.query(`alter database ${name} set default_transaction_isolation = 'serializable'`);
      await stream();
      const { code, stdout, stderr } = await run(['verify'], environment());
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

      // it reads a file that was written, though the process died before it noted that
      await ask('update bankpulse.detection_batches set exported_at = null where batch_no in (1, 2)');
      await remove(fileKey(2));
      await ask('update bankpulse.detections set batch_no = null where batch_no = 3');
      await ask('delete from bankpulse.detection_batches where batch_no = 3');
      await remove(fileKey(3));
      const { totals } = await expectDifferences();
      expect(totals).to.include({ file_count: 1, unwritten_batches: 1, unbatched_detections: 1 });
      await edit(1, (lines) => lines.slice(0, 3));
      await expectDifferences(
        'PatId2, merchant shop, customer C1-002: in no file; it belongs to detections/detections-00000001.csv',
      );
    });

    it('finds none before the first chunk, and with rejected rows, odd names, and names that are written alike', async () => {
      expect((await expectDifferences()).totals.chunk_count).to.equal(0);
      await put(1, csv(...row('=x,F,shop,1', 2), ...row("'=x,F,shop,1", 2), 'C,F,shop,none', ',F,shop,1'));
      await put(2, csv(...row('@y,F,-shop,1', 2)));
      await put(3, Buffer.from(csv()));
      await detectOnce({ BATCH_ROWS });
      const { totals } = await expectDifferences();
      expect(totals).to.include({ judged_detections: 3, file_row_count: 3, row_count: 6 });
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
        await expectDifferences();
      } finally {
        isOver = true;
        await feeding;
        await detector.stop();
      }
      await expectDifferences();
    });
  });

  describe('of a damaged one', () => {
    beforeEach(stream);

    it('ends with 1 and reports ledger, detections and state, each difference on a line of stdout', async () => {
      await ask(
        `create or replace function bankpulse.detect_child(p_thresholds jsonb)
         returns table (merchant_id text, customer_id text, reason jsonb)
         language sql stable begin atomic select null, null, null::jsonb where false; end`,
      );
      // the first chunk after a change of a function is judged by the match functions
      await put(5, children(5, 1));
      await put(6, children(6, 1));
      await detectOnce({ BATCH_ROWS });
      await ask('update bankpulse.chunks set chunk_no = 7 where chunk_no = 4');
      const { differences: withoutChunk } = await verify();
      expect(withoutChunk[0]).to.equal('chunk 4: not in the ledger');
      await ask('update bankpulse.chunks set chunk_no = 4 where chunk_no = 7');
      await ask(`
        -- the ledger
        update bankpulse.chunks set row_count = 5, rejected_count = 1 where chunk_no = 1;
        -- detections: one that is missing, one too many, a wrong chunk
        delete from bankpulse.detections where pattern_id = 'PatId1';
        insert into bankpulse.detections (pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, reason)
        values ('PatId2', 'CHILD', 'shop', 'nobody', 2, 1, now(), '{}');
        update bankpulse.detections set chunk_no = 2 where merchant_id = 'salon';
        -- the state
        update bankpulse.customer_merchant_stats set total_amount = 1 where customer_id = 'C1';
        delete from bankpulse.customer_merchant_stats where customer_id = 'A';
        insert into bankpulse.customer_merchant_stats values ('salon', 'Z', 'F', 1, 1);
        update bankpulse.merchant_stats set female_count = 2 where merchant_id = 'salon';
        delete from bankpulse.merchant_count_histogram where transaction_count = 25;
        insert into bankpulse.upgrade_candidates values ('shop', 'nobody', 1, 0, 1);
        update bankpulse.merchant_top_counts set top_count = 2 where merchant_id = 'shop'`);
      const { code, stdout } = await run(['verify'], environment());
      const [, differences = ''] = stdout.split(/\n\d+ differences:\n/);
      expect(differences.replaceAll(current.prefix, '').split('\n')).to.deep.equal([
        'chunk 1 (chunks/chunk_1.csv): the ledger has 5 rows accepted and 1 rejected, the replay 6 and 0',
        'PatId1, merchant shop, customer C1: missing: it holds after chunk 2, and is not detected',
        'PatId2, merchant shop, customer nobody: extra: detected in chunk 2, and it never held',
        'PatId3, merchant salon: wrong chunk: detected in chunk 2, and it first held after chunk 3',
        'PatId2, merchant shop, customer C6-000: missing: it holds after chunk 6, and is not detected',
        'batch 2: the outbox has 3 detections, the table has 2',
        'PatId1, merchant shop, customer C1: unknown; it stands in detections/detections-00000002.csv, row 1',
        'customer_merchant_stats, merchant salon, customer A: no row; the replay has {"gender": "F", "total_amount": 1, "transaction_count": 1}',
        'customer_merchant_stats, merchant salon, customer Z: {"gender": "F", "total_amount": 1, "transaction_count": 1}; the replay has no row',
        'customer_merchant_stats, merchant shop, customer C1: {"gender": "F", "total_amount": 1, "transaction_count": 25}; the replay has {"gender": "F", "total_amount": 1250, "transaction_count": 25}',
        'merchant_stats, merchant salon: {"male_count": 4, "female_count": 2, "customer_count": 7, "transaction_count": 7}; the replay has {"male_count": 4, "female_count": 3, "customer_count": 7, "transaction_count": 7}',
        'merchant_count_histogram, merchant shop: no row; the replay has {"customer_count": 1, "transaction_count": 25}',
        'upgrade_candidates, merchant shop, customer C1: no row; the replay has {"weight_count": 1, "average_weight": 1.0000000000, "smaller_weights": 0}',
        'upgrade_candidates, merchant shop, customer nobody: {"weight_count": 1, "average_weight": 1, "smaller_weights": 0}; the replay has no row',
        'merchant_top_counts, merchant shop: {"top_count": 2, "former_top_count": null}; the replay has {"top_count": 25, "former_top_count": null}',
        'total of rows_applied: 46 is recorded, the tables have 45; recount_totals() counts anew',
        'total of rows_rejected: 0 is recorded, the tables have 1; recount_totals() counts anew',
        '',
      ]);
      expect(code).to.equal(1);
      expect(await scratchExists()).to.equal(false);
    });

    it('reports what is wrong in the files in S3, and with the objects of the chunks', async () => {
      // detections of chunk 5 alone are in the files from the fourth on
      await put(5, children(5, 42));
      await detectOnce({ BATCH_ROWS });
      // in no file
      await edit(2, ([header, first, , last]) => [header!, first!, last!]);
      // an unknown row, with what would spoil a terminal
      await edit(3, (lines) => [
        ...lines,
        lines[1]!.replace(/C4-001,shop/, '"no\u001b[31mbody\nnowhere",shop'),
      ]);
      // twice in a file
      await edit(4, (lines) => [...lines, lines[3]!]);
      // in two files
      const copy = (await linesOf(5))[3]!;
      await edit(6, (lines) => [...lines, copy]);
      // in another file
      const moved = (await linesOf(7))[3]!;
      await edit(7, (lines) => lines.slice(0, 3));
      await edit(8, ([header, ...lines]) => [header!, moved, ...lines]);
      // in another order
      await edit(9, ([header, first, next, last]) => [header!, next!, first!, last!]);
      // a changed value, another shape, a missing header
      await edit(10, ([header, first, ...lines]) => [header!, first!.replace('CHILD', 'ADULT'), ...lines]);
      await edit(11, ([header, first, ...lines]) => [header!, `${first},more`, ...lines]);
      await edit(12, ([header, ...lines]) => [header!.toUpperCase(), ...lines]);
      // gone, no text, no CSV, of no batch; and a batch that the outbox has lost
      await remove(fileKey(13));
      await putFile(fileKey(14), Buffer.from([0xff, 0x00]));
      await putFile(fileKey(15), 'a,"b\n');
      await putFile(fileKey(77), 'header\n');
      await ask('delete from bankpulse.detection_batches where batch_no = 16');
      const found = await expectDifferences(
        'detections/detections-00000013.csv: the file of batch 13 is gone',
        'detections/detections-00000014.csv: the file of batch 14 cannot be read: it is not UTF-8 text',
        'detections/detections-00000015.csv: the file of batch 15 cannot be read: Quote Not Closed: the parsing is finished with an opening quote at line 1',
        'detections/detections-00000016.csv: no batch has this file',
        'detections/detections-00000077.csv: no batch has this file',
        'batch 16: not in the outbox',
        'detections/detections-00000011.csv, row 1: 7 fields instead of 6',
        'detections/detections-00000012.csv, row 0: not the header',
        'PatId3, merchant salon: in no file; it belongs to detections/detections-00000002.csv',
        'PatId2, merchant shop, customer no\u001b[31mbody\nnowhere: unknown; it stands in detections/detections-00000003.csv, row 2',
        'PatId2, merchant shop, customer C5-002: once more in detections/detections-00000004.csv, row 4',
        'PatId2, merchant shop, customer C5-005: once more in detections/detections-00000006.csv, row 4',
        'PatId2, merchant shop, customer C5-011: in detections/detections-00000008.csv, row 1; it belongs to detections/detections-00000007.csv',
        'PatId2, merchant shop, customer C5-015: out of order in detections/detections-00000009.csv, row 2',
        'PatId2, merchant shop, customer C5-018: changed in detections/detections-00000010.csv, row 1',
      );
      expect(describeAudit(found)).to.include('no\\u001b[31mbody\\u000anowhere');

      // of objects that are gone or replaced every one, and it compares what came before them
      await put(3, csv('C1,F,shop,50'));
      await remove(chunkKey(4));
      await put(5, csv());
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      const unreadable = await verify();
      expect(unreadable.lastChunkNo).to.equal(2);
      expect(unreadable.differences[0]).to.match(
        /^chunk 3 \(.*chunk_3\.csv\): another object stands there now \(ETag \w+, applied was \w+\)$/,
      );
      expect(unreadable.differences[1]).to.match(/^chunk 4 \(.*chunk_4\.csv\): its object is gone$/);
      expect(unreadable.differences[2]).to.match(
        /^chunk 5 \(.*chunk_5\.csv\): another object stands there now /,
      );
      expect(unreadable.differences[3]).to.match(/C1-000: missing: it holds after chunk 1/);
      expect(unreadable.differences.filter((line) => /extra|replay has/.test(line))).to.deep.equal([]);
      expect(describeAudit(unreadable)).to.include('Chunks after 2 cannot be replayed');
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

    it('judges each chunk by the rules of its time; takes as given what rules cannot be known for, and compares all else', async () => {
      const intact = await copyTestDatabase(current.database);
      await ask(`delete from bankpulse.rules_history where first_chunk_no = 1`);
      const former = await expectDifferences();
      expect(former.totals).to.include({ judged_detections: 1, given_detections: 7 });
      expect(describeAudit(former)).to.include(
        '\nChunks 1 to 4 were judged by rules that are not known any more: the detections are taken as given.\n',
      );
      await ask(`update bankpulse.importance_file set fingerprint = 'x', loaded_at = clock_timestamp()`);
      const other = await expectDifferences();
      expect(other.totals).to.include({ judged_detections: 0, given_detections: 8 });
      expect(describeAudit(other)).to.include(
        '\nChunks 5 to 6 were judged by another importance file: the detections are taken as given.\n',
      );
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      await ask(`update bankpulse.customer_merchant_stats set total_amount = 7 where customer_id = 'D'`);
      const damaged = (await verify()).differences;
      expect(damaged[0]!.replaceAll(current.prefix, '')).to.equal(
        'chunk 1 (chunks/chunk_1.csv): the ledger has 3 detections, the table has 2',
      );
      expect(damaged.at(-1)).to.match(/^customer_merchant_stats, merchant shop, customer D: /);
      await current.renewDatabase(intact);
      await dropTestDatabase(intact);

      // a change after the last chunk
      await setThresholds(current.database, 'PatId2', { transactions_from: 5 });
      const found = await expectDifferences();
      expect(found.totals).to.include({ judged_detections: 8, given_detections: 0 });
      expect(found.unjudged).to.deep.equal([]);

      // one to and fro, and one that finds what the former had not
      await setThresholds(current.database, 'PatId2', { transactions_from: 1 });
      await put(7, csv());
      await setThresholds(current.database, 'PatId2', { transactions_from: 4 });
      await setThresholds(current.database, 'PatId2', { transactions_from: 1 });
      await detectOnce({ BATCH_ROWS });
      const { totals } = await expectDifferences();
      expect(totals).to.include({ given_detections: 0, judged_detections: 15 });

      // differences on both sides of a change
      await ask(`update bankpulse.detections set chunk_no = 5 where customer_id = 'D'`);
      await ask(`delete from bankpulse.detections where customer_id = 'C1-000'`);
      const { differences } = await verify();
      expect(differences.slice(0, 2)).to.deep.equal([
        'PatId2, merchant shop, customer C1-000: missing: it holds after chunk 1, and is not detected',
        'PatId2, merchant shop, customer D: wrong chunk: detected in chunk 5, and it first held after chunk 6',
      ]);
    });

    it('says which function it does not have, and which has changed since, and leaves out what that pattern remembers', async () => {
      await installTestPatterns(current.database.client);
      await put(7, csv(...row('E,F,kiosk,300', 10)));
      await detectOnce({ BATCH_ROWS });
      await put(8, csv(...row('E,F,kiosk,300', 10)));
      await detectOnce({ BATCH_ROWS });
      await ask(
        `update bankpulse.rules_history
         set patterns = jsonb_set(patterns, '{PatId2, match_definition}', '"former"') where first_chunk_no = 1`,
      );
      const { unjudged, totals } = await expectDifferences();
      expect(unjudged).to.deep.equal([
        { first_chunk_no: 1, last_chunk_no: 4, because: 'another version of function match_child' },
        { first_chunk_no: 7, last_chunk_no: 8, because: 'function match_big_spender, which is not in sql/' },
      ]);
      expect(totals).to.include({ judged_detections: 1, given_detections: 11 });
    });
  });

  // what they do before and after the replay; the ledger is empty
  describe('the command', () => {
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
        await expectDifferences();
        expect(await scratchExists()).to.equal(false);
      });
    });
  });
});
