import { expect } from 'chai';
import type { DatabaseSettings } from '../../src/config.js';
import { connect, connectionConfig } from '../../src/database/connection.js';
import { detect } from '../../src/detector/detector.js';
import { pipelineEvents } from '../../src/events.js';
import { SqlFunctions } from '../../src/database/functions.js';
import {
  children,
  csv,
  logInto,
  setThresholds,
  until,
  useDetector,
  type LogLine,
} from '../support/detector.js';
import { TcpProxy } from '../support/tcp-proxy.js';

describe('detect', () => {
  const current = useDetector();
  const { put, optionsOf, detectOnce, startDetector, ledger, untilApplied, detections } = current;

  const untilLogged = ({ log }: { log: readonly LogLine[] }, text: RegExp) =>
    until(`${text} is logged`, () => Promise.resolve(log.some(({ msg }) => text.test(msg))));

  /** The test's database, by way of the proxy. */
  const through = ({ port }: TcpProxy) => {
    const url = new URL(current.database.url);
    url.host = `127.0.0.1:${port}`;
    return connectionConfig({ DATABASE_URL: url.href } as DatabaseSettings);
  };

  async function runsOfChunks(): Promise<number[]> {
    const { rows } = await current.database.client.query<{ run_id: string }>(
      'select run_id from bankpulse.chunks order by chunk_no',
    );
    return rows.map(({ run_id }) => Number(run_id));
  }

  describe('two at a time', () => {
    it('one works and the other stands by; it takes over when the first ends', async () => {
      await put(1, children(1, 1));
      const first = startDetector();
      await untilApplied(1);
      const second = startDetector();
      await untilLogged(second, /standing by/);
      await put(2, children(2, 1));
      await untilApplied(2);
      await first.stop();
      await put(3, children(3, 1));
      await untilApplied(3);
      await second.stop();
      expect(await runsOfChunks()).to.deep.equal([1, 1, 2]);
      expect(await detections()).to.have.length(3);
    });

    it('one that is to end with the input waits for its turn, then ends', async () => {
      await put(1, children(1, 1));
      const first = startDetector();
      await untilApplied(1);
      const log: LogLine[] = [];
      const second = detect({
        ...optionsOf({}, logInto(log), new AbortController().signal),
        isInputOver: () => true,
      });
      await untilLogged({ log }, /standing by/);
      await first.stop();
      await second;
      expect(await ledger()).to.have.length(1);
    });

    it('takes over within 2 s from one whose connections hang, which does no harm when it comes back', async () => {
      const { host, port } = current.database.client;
      const proxy = await TcpProxy.start({ host, port });
      try {
        const first = startDetector({}, { config: through(proxy) });
        await put(1, children(1, 1));
        await untilApplied(1);
        const second = startDetector();
        await untilLogged(second, /standing by/);

        proxy.freeze();
        const frozenAt = performance.now();
        await put(2, children(2, 1));
        await untilLogged(second, /taking over/);
        expect(performance.now() - frozenAt).to.be.below(5000); // 2 s on a machine that is not busy
        await untilApplied(2);

        proxy.thaw();
        await untilLogged(first, /standing by/);
        await put(3, children(3, 1));
        await untilApplied(3);
        await second.stop();
        await untilLogged(first, /taking over/);
        await first.stop();
        expect(await runsOfChunks()).to.deep.equal([1, 2, 2]);
        expect(await detections()).to.have.length(3);
      } finally {
        proxy.close();
      }
    });

    it('takes over from one that hangs between its last statement and the commit', async () => {
      const lane = await connect(current.database.config);
      const functions = new SqlFunctions(lane);
      const runId = await functions.registerRun();
      await current.database.client.query('update bankpulse.pipeline_lease set run_id = $1', [runId]);
      await lane.query('begin');
      await lane.query('select bankpulse.hold_lease(p_run_id => $1)', [runId]);

      const begunAt = performance.now();
      const second = startDetector();
      await put(1, children(1, 1));
      await untilApplied(1);
      expect(performance.now() - begunAt).to.be.below(10_000); // 2 s on a machine that is not busy
      await second.stop();
      await lane.end();
    });

    it('one that waits for a server that hangs goes on by itself when there is one again', async () => {
      const { host, port } = current.database.client;
      const proxy = await TcpProxy.start({ host, port });
      const detector = startDetector({}, { config: through(proxy) });
      try {
        await put(1, children(1, 1));
        await untilApplied(1);
        proxy.freeze();
        await put(2, children(2, 1));
        await untilLogged(detector, /database is in trouble/);
        proxy.thaw();
        await untilApplied(2);
        await detector.stop();
      } finally {
        proxy.close();
      }
    });

    it('one whose lease was taken stops applying', async () => {
      const detector = startDetector({ FLUSH_AFTER_MS: 60_000 });
      await put(1, children(1, 1));
      await untilApplied(1);
      // as another mechanism Y would, if this one's session were dead and its lock gone
      const functions = new SqlFunctions(current.database.client);
      const runId = await functions.registerRun();
      await current.database.client.query('update bankpulse.pipeline_lease set run_id = $1', [runId]);
      await put(2, children(2, 1));
      await untilLogged(detector, /has taken over/);
      await untilApplied(2);
      await detector.stop();
      expect(detector.log.filter(({ msg }) => /trouble|works again/.test(msg))).to.deep.equal([]);
    });

    it('one that stands by says each time that the database is in trouble, and that it works again', async () => {
      const first = startDetector();
      await put(1, children(1, 1));
      await untilApplied(1);
      const second = startDetector();
      await untilLogged(second, /standing by/);
      const news = () => second.log.map(({ msg }) => msg).filter((msg) => /^the database/.test(msg));
      const told: string[] = [];
      const stopListening = pipelineEvents.subscribe({
        troubleBegan: (service) => told.push(`${service} in trouble`),
        troubleEnded: (service) => told.push(`${service} works`),
      });
      try {
        for (const count of [1, 2]) {
          await current.database.client.query(
            `select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and query similar to '%(try_take_over|leading_run)%' and pid <> pg_backend_pid()`,
          );
          await until('it works again', () => Promise.resolve(news().length === 2 * count));
        }
      } finally {
        stopListening();
      }
      await second.stop();
      await first.stop();
      const once = ['the database is in trouble; trying again until it works', 'the database works again'];
      expect(news()).to.deep.equal([...once, ...once]);
      expect(told).to.deep.equal(Array(2).fill(['database in trouble', 'database works']).flat());
    });
  });

  describe('the rules', () => {
    it('may change between chunks: what then matches is detected with the next one', async () => {
      await setThresholds(current.database, 'PatId2', { transactions_from: 3 });
      await put(1, csv(...Array<string>(2).fill('C1,F,shop,1')));
      await detectOnce();
      expect(await detections()).to.deep.equal([]);
      await setThresholds(current.database, 'PatId2', { transactions_from: 2 });
      await put(2, csv('C2,F,bar,1'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId2 shop C1 2']);
      await setThresholds(current.database, 'PatId2', { transactions_from: 9 });
      await put(3, csv('C2,F,bar,1'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId2 shop C1 2']);
    });
  });
});
