import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { backtest, type Backtest } from '../../src/audit/backtest.js';
import { describeBacktest } from '../../src/audit/backtest-report.js';
import { withAudit } from '../support/audit.js';
import { csv, setThresholds, useDetector } from '../support/detector.js';
import { run } from '../support/process.js';

describe('backtest', () => {
  const current = useDetector({ isShared: true });
  const { put, chunkKey, detectOnce, detections, environment } = current;
  const CHUNKS = 8;

  // only the last test changes it
  before(async () => {
    const weights = Array.from({ length: 38 }, (_, n) => `C${n % 19},shop${n % 2},${(n * 37) % 19}`);
    await writeFile(current.importanceCsv, ['Source,Target,Weight', ...weights, ''].join('\n'));
    for (let number = 1; number <= CHUNKS; number++) {
      const rows = Array.from({ length: 14 }, (_, place) => {
        const mixed = (number * 7919 + place * 104_729 + number * place * 31) % 1009;
        const customer = mixed % 19;
        return `C${customer},${customer % 3 === 0 ? 'F' : 'M'},shop${mixed % 2},${mixed % 40}`;
      });
      await put(number, csv(...rows));
    }
    await setThresholds(current.database, 'PatId1', {
      count_percent_rank_from: 0.6,
      weight_percent_rank_up_to: 1,
    });
    await setThresholds(current.database, 'PatId2', { transactions_from: 5 });
    await detectOnce();
  });

  const backtested = (pattern: string, thresholds: Record<string, unknown>): Promise<Backtest> =>
    withAudit(current, (options) => backtest(options, pattern, thresholds));

  /** All tables but the runs, which each start of Y adds to. */
  async function everything(): Promise<unknown[]> {
    const { rows } = await current.database.client.query<{ row: unknown }>(
      `select to_jsonb(t) as row from bankpulse.patterns as t
       union all select to_jsonb(t) from bankpulse.detections as t
       union all select to_jsonb(t) from bankpulse.chunks as t
       union all select to_jsonb(t) from bankpulse.customer_merchant_stats as t
       union all select to_jsonb(t) from bankpulse.merchant_count_histogram as t
       order by 1`,
    );
    return rows;
  }

  it('says "same" of every detection when no threshold changes, what a disabled pattern would have found, and changes nothing', async () => {
    const before = await everything();
    const found = await detections();
    for (const pattern of ['PatId1', 'PatId2', 'PatId3']) {
      const expected = found.filter((line) => line.startsWith(pattern));
      expect(expected, pattern).not.to.deep.equal([]);
      const result = await backtested(pattern, {});
      expect(
        result.detections.map((each) =>
          [pattern, each.merchant_id, each.customer_id, each.other_chunk_no].join(' '),
        ),
      ).to.have.members(expected);
      expect(result.detections.map(({ change }) => change)).to.deep.equal(expected.map(() => 'same'));
      for (const { detection_count, other_detection_count } of result.chunks)
        expect(detection_count).to.equal(other_detection_count);
    }
    expect(await everything()).to.deep.equal(before);

    await current.database.client.query(`update bankpulse.patterns set is_enabled = false`);
    const { detections: compared } = await backtested('PatId2', {
      transactions_from: 2,
      average_amount_below: 100,
    });
    expect(compared.length).to.be.greaterThan(0);
    await current.database.client.query(`update bankpulse.patterns set is_enabled = true`);
  });

  it('prints a table of chunks, the totals and what changes; --json prints all of it', async () => {
    const env = environment();
    const text = await run(['backtest', 'PatId2', 'transactions_from=4'], env);
    expect(text.code, text.stderr).to.equal(0);
    const lines = text.stdout.split('\n');
    expect(lines[0]).to.equal('PatId2 with transactions_from=4 average_amount_below=23');
    expect(lines[2]).to.equal('chunk  detections  with these');
    expect(text.stdout).to.match(/\n\d+ added, \d+ removed, \d+ earlier, \d+ later, \d+ same\n/);
    expect(text.stdout).to.match(/\nadded +shop\d +C\d+ +chunk \d\n/);
    expect(text.stdout).to.match(/\nearlier +shop\d +C\d+ +chunk \d instead of \d\n/);
    const json = await run(['backtest', 'PatId2', 'transactions_from=4', '--json'], env);
    const result = JSON.parse(json.stdout) as Backtest;
    expect(`${describeBacktest(result)}\n`).to.equal(text.stdout);
  });

  it('ends with 2 and the names there are when something is wrong, and with 1 when a chunk is gone or is another one', async () => {
    const { code, stderr } = await run(
      ['backtest', 'PatId2', 'transactions=60', 'average_amount_below=cheap', 'transactions_from=Infinity'],
      environment(),
    );
    expect(stderr).to.match(
      /^configuration: average_amount_below is "cheap", which is no number; there is no threshold "transactions" of PatId2; there are: average_amount_below, transactions_from; transactions_from is "Infinity", which is no number$/m,
    );
    expect(code).to.equal(2);
    const unknown = await run(['backtest', 'PatId9'], environment());
    expect(unknown.stderr).to.match(
      /^configuration: there is no pattern "PatId9"; there are: PatId1, PatId2, PatId3$/m,
    );
    expect(unknown.code).to.equal(2);

    const { content } = (await current.s3.store.getWhole(chunkKey(3)))!;
    await put(3, csv('A,F,shop,1'));
    const other = await run(['backtest', 'PatId2', 'transactions_from=4'], environment());
    expect(other.stderr).to.match(
      /^error: cannot be backtested; objects gone or changed: 1, the first: chunk 3 /m,
    );
    expect(other.code).to.equal(1);
    await put(3, content);
  });

  it('equals a run over the same chunks that begins with the other thresholds', async () => {
    const tried: [string, Record<string, number>][] = [
      ['PatId1', { count_percent_rank_from: 0.8, merchant_transactions_above: 30 }],
      ['PatId2', { transactions_from: 3, average_amount_below: 17.5 }],
      ['PatId3', { female_customers_above: 3 }],
    ];
    const now = await detections();
    const results: Backtest[] = [];
    for (const [pattern, thresholds] of tried) results.push(await backtested(pattern, thresholds));
    await current.renewDatabase();
    await setThresholds(current.database, 'PatId1', { weight_percent_rank_up_to: 1 });
    for (const [pattern, thresholds] of tried) await setThresholds(current.database, pattern, thresholds);
    await detectOnce();
    const then = await detections();
    const seen = new Set<string>();
    for (const { pattern, detections: compared } of results) {
      const lines = (key: 'chunk_no' | 'other_chunk_no') =>
        compared
          .filter((each) => each[key] !== null)
          .map((each) => [pattern, each.merchant_id, each.customer_id, each[key]].join(' '));
      const of = (found: string[]) => found.filter((line) => line.startsWith(pattern));
      expect(lines('chunk_no')).to.have.members(of(now));
      expect(lines('other_chunk_no')).to.have.members(of(then));
      for (const { change, chunk_no, other_chunk_no } of compared) {
        seen.add(change);
        expect(change).to.equal(
          chunk_no === null
            ? 'added'
            : other_chunk_no === null
              ? 'removed'
              : other_chunk_no < chunk_no
                ? 'earlier'
                : other_chunk_no > chunk_no
                  ? 'later'
                  : 'same',
        );
      }
    }
    expect([...seen]).to.include.members(['added', 'removed', 'earlier', 'later']);
  });
});
