import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pino, { type Logger } from 'pino';
import { ViewRefresher } from '../../src/detector/view-refresher.js';
import { useDatabase } from '../support/database.js';
import { until } from '../support/detector.js';

interface LogLine {
  level: number;
  msg: string;
  limitMs?: number;
}

describe('ViewRefresher', () => {
  const database = useDatabase('empty');
  let log: LogLine[];
  let logger: Logger;
  let refresher: ViewRefresher;
  let ending: AbortController;

  beforeEach(async () => {
    // what the refresher of an earlier test still says goes into that test's log
    const lines: LogLine[] = [];
    log = lines;
    ending = new AbortController();
    logger = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) });
    refresher = new ViewRefresher(database().config, logger, ending.signal, {
      shareOfTime: 0.5,
      firstLimitMs: 50,
    });
    await database().client.query('drop table if exists public.refreshes; create table public.refreshes ()');
    // a state so large that a refresh takes three tenths of a second
    await database().client.query(`
      create or replace function bankpulse.refresh_views() returns void language plpgsql as $$
      begin
        perform pg_sleep(0.3);
        insert into public.refreshes default values;
      end;
      $$`);
  });

  async function refreshCount(): Promise<number> {
    return (await database().client.query('select from public.refreshes')).rowCount!;
  }
  /** One that tells the time by this clock, in milliseconds. */
  const refresherBy = (clock: () => number) =>
    new ViewRefresher(
      database().config,
      logger,
      ending.signal,
      { shareOfTime: 0.02, firstLimitMs: 10_000 },
      clock,
    );
  const untilSaid = (text: RegExp, times: number) =>
    until(`${text} is said`, () => Promise.resolve(log.filter(({ msg }) => text.test(msg)).length === times));
  const limits = () => log.flatMap(({ limitMs }) => limitMs ?? []);

  it('gives up what takes too long while chunks keep coming, and allows twice as much next time', async () => {
    while ((await refreshCount()) === 0) {
      refresher.whileBusy();
      await sleep(5);
    }
    expect(limits()).to.have.length.within(1, 3);
    limits().forEach((limit, index) => expect(limit).to.be.least(50 * 2 ** index));
    expect(log.filter(({ level }) => level >= 40)).to.deep.equal([]);
  });

  it('takes its time when the stream is quiet', async () => {
    await refresher.refresh();
    expect(await refreshCount()).to.equal(1);
    expect(limits()).to.deep.equal([]);
  });

  it('takes no more than its share of the time while chunks keep coming', async () => {
    const { client } = database();
    let now = 0;
    const occasion = async (at: number) => {
      now = at;
      refresher.whileBusy();
      await sleep(50);
    };
    refresher = refresherBy(() => now);
    await occasion(499_999);
    expect(await refreshCount()).to.equal(0);
    await client.query('begin; lock table public.refreshes');
    await occasion(500_000);
    now = 520_000; // so long it took, and may take twice as long next time
    await client.query('commit');
    // it has worked out when the next one is due once it says so, which is later than that it shows
    await untilSaid(/ views refreshed$/, 1);
    expect(await refreshCount()).to.equal(1);
    await occasion(520_000 + 50 * 40_000 - 1);
    await sleep(400);
    expect(await refreshCount()).to.equal(1);
    await occasion(520_000 + 50 * 40_000);
    await until('it is refreshed again', async () => (await refreshCount()) === 2);
  });

  it('refreshes in quiet moments what has changed, at most a tenth of the time', async () => {
    const { client } = database();
    let now = 0;
    refresher = refresherBy(() => now);
    const quietAt = (at: number) => {
      now = at;
      refresher.whileQuiet();
    };
    const untilRefreshed = (times: number) => untilSaid(/ views refreshed$/, times);
    await client.query('begin; lock table public.refreshes');
    quietAt(0);
    now = 1000; // so long it took
    await client.query('commit');
    await untilRefreshed(1);

    refresher.whileBusy(); // a chunk has come
    quietAt(9999);
    await sleep(400);
    expect(await refreshCount()).to.equal(1);
    quietAt(10_000);
    await untilRefreshed(2);
    quietAt(20_000); // none has come
    await sleep(400);
    expect(await refreshCount()).to.equal(2);

    refresher.whileBusy();
    await client.query('alter table public.refreshes rename to away');
    quietAt(30_000);
    await untilSaid(/not refreshed$/, 1);
    await client.query('alter table public.away rename to refreshes');
    quietAt(40_000);
    await untilRefreshed(3);
  });

  it('never refreshes twice at once, and once more for all who ask meanwhile', async () => {
    await database().client.query(`
      create or replace function bankpulse.refresh_views() returns void language plpgsql as $$
      begin
        if not pg_try_advisory_xact_lock(1) then raise 'another refresh is at work'; end if;
        perform pg_sleep(0.1);
        insert into public.refreshes default values;
      end;
      $$`);
    await Promise.all(Array.from({ length: 5 }, () => refresher.refresh()));
    expect(await refreshCount()).to.equal(2);
    expect(log.filter(({ level }) => level >= 40)).to.deep.equal([]);
  });

  it('ends with its signal, and so does what the server does for it', async () => {
    const { client } = database();
    await client.query(`
      create or replace function bankpulse.refresh_views() returns void language sql
      as 'select pg_sleep(60)'`);
    const isRefreshing = async () =>
      (
        await client.query(
          `select from pg_stat_activity
           where datname = current_database() and query like '%refresh_views%' and pid <> pg_backend_pid()`,
        )
      ).rowCount === 1;
    const refreshing = refresher.refresh();
    await until('it refreshes', isRefreshing);
    const begun = performance.now();
    ending.abort();
    await refreshing;
    await until('the server has ended it', async () => !(await isRefreshing()));
    expect(performance.now() - begun).to.be.below(3000);
    await refresher.refresh();
    expect(log).to.deep.equal([]);
  });
});
