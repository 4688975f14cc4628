import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { UserError } from '../../src/errors.js';
import { isLargeDose } from '../support/dose.js';
import { csv, logInto, rowsOf, until, useDetector, type LogLine } from '../support/detector.js';
import { OddStore } from '../support/odd-store.js';

const CHUNKS = isLargeDose ? 8 : 6;
/** New customers of a chunk: far more than fit into the free pages of a table. */
const CUSTOMERS = 1500;
/** Trouble begins when so many are applied. */
const BEFORE_TROUBLE = 3;
const IN_TROUBLE = /database .*in trouble/;

describe('with a database that refuses its work, mechanism Y', () => {
  const current = useDetector();
  const { put, detectOnce, renewDatabase, cutSessions, ledger, detections, state, files } = current;

  const results = async () => ({
    chunks: await ledger(),
    detections: await detections(),
    state: await state(),
    files: Object.fromEntries(Object.entries(await files()).map(([number, text]) => [number, rowsOf(text)])),
  });

  let expected: Awaited<ReturnType<typeof results>> | undefined;

  /** Puts chunks of which each brings new customers. */
  async function putChunks(first: number, last: number): Promise<void> {
    for (let chunk = first; chunk <= last; chunk++) {
      const rows = Array.from(
        { length: CUSTOMERS },
        (_, index) => `C${chunk}-${index},${index % 3 ? 'M' : 'F'},shop,${index}`,
      );
      const children = Array.from({ length: 5 }, (_, index) => `child${chunk}-${index},F,shop,1`);
      await put(chunk, csv(...rows, ...children, ...children));
    }
  }

  /** What comes of all chunks if nothing disturbs. Leaves neither chunks nor files. */
  async function undisturbed(): Promise<Awaited<ReturnType<typeof results>>> {
    if (expected) return expected;
    await putChunks(1, CHUNKS);
    await detectOnce({ BATCH_ROWS: 12 });
    expected = await results();
    expect(expected.detections).to.have.length.above(CHUNKS);
    await renewDatabase();
    const { client, store } = current.s3;
    for await (const { key: Key } of store.list(current.prefix))
      await client.send(new DeleteObjectCommand({ Bucket: store.bucket, Key }));
    return expected;
  }

  /** What the ledger says was applied is what the state holds: no chunk is in one of them alone. */
  async function expectNothingHalf(): Promise<void> {
    const { rows } = await current.database.client.query<Record<string, string>>(
      `select
         (select coalesce(sum(row_count), 0) from bankpulse.chunks) as ledger,
         (select coalesce(sum(transaction_count), 0) from bankpulse.customer_merchant_stats) as pairs,
         (select coalesce(sum(transaction_count), 0) from bankpulse.merchant_stats) as merchants,
         (select coalesce(sum(detection_count), 0) from bankpulse.chunks) as counted,
         (select count(*) from bankpulse.detections) as detections`,
    );
    const { ledger, pairs, merchants, counted, detections } = rows[0]!;
    expect({ pairs, merchants, detections }).to.deep.equal({
      pairs: ledger,
      merchants: ledger,
      detections: counted,
    });
  }

  /**
   * Makes trouble in the middle of the work, looks on for a while, and mends it.
   * @returns why Y said that there was trouble.
   */
  async function workThrough({
    prepare,
    makeTrouble,
    mend,
  }: {
    prepare?: () => Promise<unknown>;
    makeTrouble: () => Promise<void> | void;
    mend: () => Promise<void> | void;
  }): Promise<string | undefined> {
    const expected = await undisturbed();
    await prepare?.();
    await putChunks(1, BEFORE_TROUBLE);
    let isAllPut = false;
    let applied = 0;
    const { lines, ended } = startOnce(
      ({ chunkNo }) => (applied = chunkNo),
      () => isAllPut,
    );
    await until('the first chunks are applied', () => Promise.resolve(applied === BEFORE_TROUBLE));
    await makeTrouble();
    // the others come when there is trouble: Y would have applied them before on a machine that is slow to make it
    await putChunks(BEFORE_TROUBLE + 1, CHUNKS);
    isAllPut = true;
    const isSaid = () => Promise.resolve(lines.some(({ msg }) => IN_TROUBLE.test(msg)));
    await Promise.race([until('the trouble is said', isSaid), ended]); // throws what Y fails with
    expect(await isSaid(), JSON.stringify(lines)).to.equal(true);
    await sleep(300);
    expect(await ledger()).to.have.length(applied);
    expect(applied).to.be.below(CHUNKS);
    await sleep(1000);
    expect(await ledger()).to.have.length(applied);
    await expectNothingHalf();
    await mend();
    await ended;
    expect(await results()).to.deep.equal(expected);
    await expectNothingHalf();
    expect(lines.filter(({ msg }) => IN_TROUBLE.test(msg))).to.have.length(1);
    expect(lines.filter(({ msg }) => /database works again/.test(msg))).to.have.length(1);
    return lines.find(({ msg }) => IN_TROUBLE.test(msg))?.reason;
  }

  /** As `npm run detect -- --once`, with its log while it runs. */
  function startOnce(onApplied: (event: { chunkNo: number }) => void, isInputOver: () => boolean) {
    const lines: (LogLine & { reason?: string })[] = [];
    const options = { log: logInto(lines), onApplied, isInputOver };
    const ended = detectOnce({ BATCH_ROWS: 12, PREFETCH_BYTES: 1 }, options);
    ended.catch(() => undefined);
    return { lines, ended };
  }

  describe('in the middle of a chunk, while a listing finds the next one,', () => {
    let odd: OddStore;
    beforeEach(async () => {
      odd = await OddStore.start();
    });
    afterEach(() => odd.stop());

    it('says what the database said, and goes on when it has its way', async () => {
      const { client } = current.database;
      await client.query(
        `create function public.refuse() returns trigger language plpgsql as
         $$ begin raise exception 'no room left' using errcode = 'disk_full'; end $$;
         create trigger refuse before insert on bankpulse.customer_merchant_stats
           for each statement execute function public.refuse()`,
      );
      const isAborted = async () => {
        const { rowCount } = await client.query(
          `select from pg_stat_activity
           where datname = current_database() and state = 'idle in transaction (aborted)'`,
        );
        return rowCount! > 0;
      };
      const locking = await connect(current.database.config);
      await locking.query('begin; lock table bankpulse.customer_merchant_stats in share mode');
      let hasListed = false;
      odd.oddity = async ({ isListing }) => {
        const isFetched = odd.requests.some(({ key }) => key === current.chunkKey(1));
        if (!isListing || !isFetched || hasListed) return false;
        hasListed = true;
        // the listing has begun while the chunk is applied, and ends after that has failed
        await locking.end();
        await until('the chunk has failed', isAborted);
        odd.put(current.chunkKey(2), csv('C2,F,shop,1'));
        return false;
      };
      odd.put(current.chunkKey(1), csv('C1,F,shop,1'));
      const detector = current.startDetector({}, { store: odd.open() });
      const trouble = () => detector.log.filter(({ msg }) => IN_TROUBLE.test(msg));
      await until('the trouble is said', () => Promise.resolve(trouble().length > 0));
      await client.query('drop trigger refuse on bankpulse.customer_merchant_stats');
      await current.untilApplied(2);
      await detector.stop();
      expect(trouble().map(({ reason }) => reason)).to.deep.equal(['no room left']);
      await expectNothingHalf();
    });
  });

  describe('because its disk is full', () => {
    const MIB = 1 << 20;
    let folder: string | undefined;
    let disk: string;
    let tablespace: string | undefined;

    /** Why no small disk can be made here. */
    async function whyNot(): Promise<string | undefined> {
      if (process.platform !== 'linux' || process.getuid?.() !== 0)
        return 'only root on Linux can mount a small disk';
      const directory = await dataDirectory();
      return existsSync(directory) ? undefined : `the server's files (${directory}) are not on this machine`;
    }

    async function dataDirectory(): Promise<string> {
      const { rows } = await current.database.client.query<{ data_directory: string }>('show data_directory');
      return rows[0]!.data_directory;
    }

    beforeEach(async function () {
      const reason = await whyNot();
      if (reason === undefined) {
        folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-disk-'));
        await chmod(folder, 0o755);
        disk = join(folder, 'disk');
        await mkdir(disk);
        const { uid, gid } = statSync(await dataDirectory());
        const options = `size=${8 * MIB},uid=${uid},gid=${gid},mode=0700`;
        const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', disk], {
          encoding: 'utf8',
        });
        if (mounted.status === 0) {
          tablespace = `bankpulse_test_${basename(folder).replaceAll(/\W/g, '_').toLowerCase()}`;
          await current.database.client.query(`create tablespace ${tablespace} location '${disk}'`);
          return;
        }
        await rm(folder, { recursive: true });
        folder = undefined;
        process.stderr.write(
          `        skipped: no small disk can be mounted here: ${mounted.stderr.trim()}\n`,
        );
      } else process.stderr.write(`        skipped: ${reason}\n`);
      this.skip();
    });

    afterEach(async () => {
      if (folder === undefined) return;
      // the database goes first: the tablespace must be empty
      await renewDatabase();
      await current.database.client.query(`drop tablespace ${tablespace}`);
      spawnSync('umount', [disk]);
      await rm(folder, { recursive: true });
      folder = undefined;
    });

    /** Takes all that is left of the disk. */
    function fill(): void {
      const file = openSync(join(disk, 'ballast'), 'w');
      try {
        for (const size of [64 * 1024, 4096]) {
          try {
            for (;;) writeSync(file, Buffer.alloc(size));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          }
        }
      } finally {
        closeSync(file);
      }
    }
    const makeRoom = () => rmSync(join(disk, 'ballast'));

    it('in the middle of applying a chunk, rolls it back, says why once, and goes on when there is room', async () => {
      const reason = await workThrough({
        prepare: () =>
          current.database.client.query(
            `alter table bankpulse.customer_merchant_stats set tablespace ${tablespace}`,
          ),
        makeTrouble: fill,
        mend: makeRoom,
      });
      expect(reason).to.match(/could not extend file.*No space left on device/);
    });

    it('in the middle of the COPY, rolls it back, says why once, and goes on when there is room', async () => {
      const reason = await workThrough({
        prepare: () =>
          current.database.client.query(
            `alter database ${current.database.name} set temp_tablespaces = ${tablespace}`,
          ),
        makeTrouble: fill,
        mend: makeRoom,
      });
      expect(reason).to.match(/No space left on device/);
    });
  });

  describe('by a setting of the server', () => {
    let other: pg.Client;
    let endOther = () => Promise.resolve();
    const connectOther = async () => {
      other = await connect({ ...current.database.config, statement_timeout: 0 });
      endOther = () => other.end();
    };
    afterEach(async () => {
      await endOther();
      endOther = () => Promise.resolve(); // a test that is skipped has none
    });
    /** For sessions to come. */
    const setDatabase = async (change: string) => {
      await other.query(`alter database ${current.database.name} ${change}`);
    };
    const timeouts = [
      { setting: 'statement_timeout', since: 15, reason: /^canceling statement due to statement timeout$/ },
      { setting: 'transaction_timeout', since: 17, reason: /transaction timeout/ },
    ];
    for (const { setting, since, reason } of timeouts) {
      it(`${setting}, in the middle of a chunk, rolls it back, says why once, and goes on when it has its way`, async function () {
        const { rows } = await current.database.client.query<{ version: number }>(
          `select current_setting('server_version_num')::int / 10000 as version`,
        );
        if (rows[0]!.version < since) {
          process.stderr.write(`        skipped: PostgreSQL has no ${setting} before ${since}\n`);
          this.skip();
        }
        const said = await workThrough({
          prepare: async () => {
            await connectOther();
            await setDatabase(`set ${setting} = '3s'`);
          },
          makeTrouble: async () => {
            await other.query('begin');
            await other.query('lock table bankpulse.customer_merchant_stats in share mode');
          },
          mend: async () => {
            await other.query('rollback');
          },
        });
        expect(said).to.match(reason);
      });
    }

    it('statement_timeout, that nothing passes, waits, and goes on when it is lifted', async () => {
      await workThrough({
        prepare: connectOther,
        makeTrouble: async () => {
          await setDatabase(`set statement_timeout = '1ms'`);
          await cutSessions(other);
        },
        mend: () => setDatabase('reset statement_timeout'),
      });
    });

    it('idle timeouts of a role, works as without them', async () => {
      await connectOther();
      await setDatabase(`set idle_session_timeout = '100ms'`);
      await setDatabase(`set idle_in_transaction_session_timeout = '100ms'`);
      await put(1, csv('C1,F,shop,1'));
      const detector = current.startDetector();
      await current.untilApplied(1);
      await sleep(400); // every session has been idle for too long
      await put(2, csv('C2,F,shop,1'));
      await current.untilApplied(2);
      await detector.stop();
      expect(detector.log.filter(({ msg }) => IN_TROUBLE.test(msg))).to.deep.equal([]);
    });

    it('default_transaction_read_only, waits, says why once, and goes on when it may write again', async () => {
      await workThrough({
        prepare: connectOther,
        makeTrouble: async () => {
          await setDatabase('set default_transaction_read_only = on');
          await cutSessions(other);
        },
        mend: () => setDatabase('reset default_transaction_read_only'),
      });
    });

    it('default_transaction_read_only at its start, ends and says what it may be', async () => {
      await connectOther();
      await setDatabase('set default_transaction_read_only = on');
      const error: unknown = await detectOnce().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(UserError);
      expect((error as UserError).message).to.match(/may only be read: is it a standby/);
    });
  });
});
