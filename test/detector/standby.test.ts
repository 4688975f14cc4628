import { expect } from 'chai';
import { detect } from '../../src/detector/detector.js';
import { SqlFunctions } from '../../src/sql-functions.js';
import {
  children,
  csv,
  logInto,
  setThresholds,
  until,
  useDetector,
  type LogLine,
} from '../support/detector.js';

describe('detect', function () {
  this.timeout(60_000);
  const current = useDetector();
  const { put, optionsOf, detectOnce, startDetector, ledger, untilApplied, detections } = current;

  describe('two at a time', () => {
    it('one works and the other stands by; it takes over when the first ends', async () => {
      await put(1, children(1, 1));
      const first = startDetector();
      await untilApplied(1);
      const second = startDetector();
      await until('the second stands by', () =>
        Promise.resolve(second.log.some(({ msg }) => /standing by/.test(msg))),
      );
      await put(2, children(2, 1));
      await untilApplied(2);
      await first.stop();
      await put(3, children(3, 1));
      await untilApplied(3);
      await second.stop();
      const { rows } = await current.database.client.query<{ run_id: string }>(
        'select run_id from bankpulse.chunks order by chunk_no',
      );
      expect(rows.map(({ run_id }) => Number(run_id))).to.deep.equal([1, 1, 2]);
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
      await until('the second stands by', () =>
        Promise.resolve(log.some(({ msg }) => /standing by/.test(msg))),
      );
      await first.stop();
      await second;
      expect(await ledger()).to.have.length(1);
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
      await until('it says so', () =>
        Promise.resolve(detector.log.some(({ msg }) => /has taken over/.test(msg))),
      );
      await detector.stop();
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
