import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pino from 'pino';
import { ViewRefresher } from '../../src/detector/view-refresher.js';
import { useDatabase } from '../support/database.js';

interface LogLine {
  level: number;
  limitMs?: number;
}

describe('ViewRefresher', function () {
  this.timeout(30_000);
  const database = useDatabase('empty');
  let log: LogLine[];
  let refresher: ViewRefresher;

  beforeEach(async () => {
    log = [];
    const logger = pino(
      { level: 'debug' },
      { write: (line: string) => log.push(JSON.parse(line) as LogLine) },
    );
    refresher = new ViewRefresher(database().config, logger, { shareOfTime: 0.5, firstLimitMs: 50 });
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
});
