import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import pino from 'pino';
import { viewsOn } from '../../src/database/connection.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { UserError } from '../../src/errors.js';
import { loadImportance } from '../../src/loader/importance.js';
import { csv, useDetector, type LogLine } from '../support/detector.js';
import { run } from '../support/process.js';

describe('detect', () => {
  const current = useDetector();
  const { put, detectOnce, startDetector, cutSessions, untilApplied, ledger, detections } = current;

  describe('importance', () => {
    const weights = async () => {
      const { rows } = await current.database.client.query<{ weight: string }>(
        `select concat_ws(' ', merchant_id, customer_id, average_weight::float8) as weight
         from bankpulse.customer_weights order by merchant_id, customer_id`,
      );
      return rows.map(({ weight }) => weight);
    };
    const forgetWeights = () =>
      current.database.client.query(
        `with weights as (delete from bankpulse.customer_weights)
         delete from bankpulse.importance_file`,
      );
    const loads = (log: LogLine[]) => log.filter(({ msg }) => msg === 'importance loaded').length;

    it('is loaded once, and again when the file has changed', async () => {
      await writeFile(
        current.importanceCsv,
        'Source,Target,Weight\nC1,shop,1\nC1,shop,2\nC2,shop,3\n,shop,3\n',
      );
      const log = await detectOnce();
      expect(loads(log)).to.equal(1);
      expect(log.find(({ msg }) => msg === 'importance loaded')).to.include({ rows: 3, rejected: 1 });
      expect(await weights()).to.deep.equal(['shop C1 1.5', 'shop C2 3']);
      expect(loads(await detectOnce())).to.equal(0);
      await writeFile(current.importanceCsv, 'Weight,Target,Source\n7,shop,C3\n');
      expect(loads(await detectOnce())).to.equal(1);
      expect(await weights()).to.deep.equal(['shop C3 7']);
    });

    it('that gives next to no customer of the stream a weight is told once, with the likely reason', async () => {
      const rows = Array.from({ length: 120 }, (_value, place) => `C${place},F,shop,100`);
      const warnings = (log: LogLine[]) => log.map(({ msg }) => msg).filter((msg) => msg.includes('UPGRADE'));
      const cases: [weights: string, says: RegExp | undefined][] = [
        [
          'C0,other,1',
          /^only 0 of the first 120 pairs .*; its customers are known, its merchants \(Target\) are none/,
        ],
        ['X1,shop,1', /; its merchants are known, its customers \(Source\) are none/],
        ['«C1»,«shop»,1', /; none of their names stands in it: .*other quotes/],
        [rows.map((row) => `${row.split(',')[0]},shop,1`).join('\n'), undefined],
      ];
      await put(1, csv(...rows));
      for (const [place, [weights, says]] of cases.entries()) {
        await writeFile(current.importanceCsv, `Source,Target,Weight\n${weights}\n`);
        await put(place + 2, csv('C1,F,shop,100'));
        const told = warnings(await detectOnce());
        expect(told).to.have.length(says ? 1 : 0);
        if (says) expect(told[0]).to.match(says);
        const { stdout } = await run(['status'], { DATABASE_URL: current.database.url });
        expect(/^ +only 0 of the first 120 pairs .*: see IMPORTANCE_CSV$/m.test(stdout)).to.equal(!!says);
      }
    });

    it('may be packed, and is then the same file', async () => {
      await detectOnce();
      const packed = `${current.importanceCsv}.gz`;
      await writeFile(packed, gzipSync('Source,Target,Weight\nC1,shop,1\n'));
      expect(loads(await detectOnce({ IMPORTANCE_CSV: packed }))).to.equal(0);
    });

    it('that changes makes what it uncovers a detection with the next chunk', async () => {
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nother,shop,1\n');
      await put(1, csv(...Array<string>(30).fill('C1,F,shop,100'), 'C2,F,shop,100'));
      await detectOnce();
      expect(await detections()).to.deep.equal([]);
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
      await put(2, csv('C3,F,bar,100'));
      await detectOnce();
      expect(await detections()).to.deep.equal(['PatId1 shop C1 2']);
    });

    /** Y applies a chunk, then this happens and its sessions are lost, then it applies another. */
    async function loseSessions(meanwhile: () => Promise<unknown>): Promise<void> {
      await put(1, csv('C1,F,shop,1'));
      const detector = startDetector();
      await untilApplied(1);
      await meanwhile();
      await cutSessions();
      await put(2, csv('C1,F,shop,1'));
      await untilApplied(2);
      await detector.stop();
    }

    it('is not read again because a session was lost, whatever has become of the file', async () => {
      await loseSessions(() => writeFile(current.importanceCsv, 'Source,Tar'));
      expect(await weights()).to.deep.equal(['shop C1 1']);
    });

    it('is read again when the database has lost the weights, as one that was promoted may have', async () => {
      await loseSessions(forgetWeights);
      expect(await weights()).to.deep.equal(['shop C1 1']);
    });

    it('that is missing stops mechanism Y before the first load, and is only said afterwards', async () => {
      await forgetWeights();
      await put(1, csv('C1,F,shop,1'));
      const error: unknown = await detectOnce({ IMPORTANCE_CSV: join(current.folder, 'none.csv') }).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).to.be.instanceOf(UserError);
      expect((error as UserError).message).to.match(/IMPORTANCE_CSV .*none\.csv.* does not exist/);
      expect(await ledger()).to.deep.equal([]);
      await detectOnce();
      const log = await detectOnce({ IMPORTANCE_CSV: join(current.folder, 'none.csv') });
      expect(log.filter(({ msg }) => /does not exist/.test(msg))).to.have.length(1);
      expect(await weights()).to.deep.equal(['shop C1 1']);
    });

    it('that is unusable stops mechanism Y in one line that names the file', async () => {
      /** As Y does when it is elected. */
      const load = async () => {
        const { client } = current.database;
        const functions = new SqlFunctions(client);
        const runId = await functions.registerRun();
        expect(await functions.tryTakeOver(runId)).to.equal(true);
        const log = pino({ enabled: false });
        await loadImportance(client, viewsOn(client), runId, current.importanceCsv, log);
      };
      for (const [content, reason] of [
        ['', /empty/],
        ['Source,Weight\n', /no column "target"/],
        ['Source;Target;Weight\nC1;shop;1\n', /the header is delimited by ';'/],
        ['Source\tTarget\tWeight\n', /the header is delimited by tabs/],
        ['sep=,\nSource,Target,Weight\nC1,shop,1\n', /begins with "sep=,"/],
        ['Source,Target,Weight\n', /has a header and no rows/],
        [
          'Source,Target,Weight\nC1,shop,"0,5"\nC2,shop,"0,7"\n',
          /gives no weights, all 2 rows are rejected; line 2: the amount is not a valid number\. A row needs .* such as 0\.5/,
        ],
        [
          'Source,Target,Weight\nC1,shop,0,5\n',
          /all 1 rows are rejected; line 2: the row has 4 fields, the header 3/,
        ],
        ['Source,Target,Weight\n"C1,shop,1\n', /never closed/],
      ] as const) {
        await writeFile(current.importanceCsv, content);
        // one by way of a whole Y, which ends with what the loader says
        const loading: Promise<unknown> = content === '' ? detectOnce() : load();
        const error: unknown = await loading.catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(UserError);
        const { message } = error as UserError;
        expect(message).to.match(reason).and.to.include(current.importanceCsv).and.not.to.include('\n');
      }
    });

    it('of which some rows are rejected is loaded, with a warning and a line of the summary', async () => {
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\nC2,shop,"0,5"\nC3,shop,x\n');
      const log = await detectOnce();
      const warnings = log.filter(({ msg }) => msg.includes('weights do not count'));
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.include({ rejected: 2, line: 3, reason: 'the amount is not a valid number' });
      const line = 'weights     1 accepted, 2 rejected (line 3: the amount is not a valid number)\n';
      expect((await run(['status'], current.environment())).stdout).to.include(line);
      const again = await run(['detect', '--once'], { ...current.environment(), LOG_LEVEL: 'silent' });
      expect(again.stdout).to.include(line);
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
      expect((await detectOnce()).filter(({ msg }) => msg.includes('weights do not count'))).to.deep.equal(
        [],
      );
      expect((await run(['status'], current.environment())).stdout).to.include(
        'weights     1 accepted, 0 rejected\n',
      );
    });

    it('that gives no weights leaves those loaded before, and is refused each time', async () => {
      await detectOnce();
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,"0,5"\n');
      for (let time = 0; time < 2; time++) {
        expect(String(await detectOnce().catch((thrown: unknown) => thrown))).to.match(/gives no weights/);
        expect(await weights()).to.deep.equal(['shop C1 1']);
      }
      const { code, stderr } = await run(['detect', '--once'], current.environment());
      expect(stderr).to.match(/^error: IMPORTANCE_CSV .* gives no weights.*\n$/m);
      expect(code).to.equal(1);
    });

    it('that is no regular file is refused', async () => {
      const pipe = join(current.folder, 'pipe.csv');
      execFileSync('mkfifo', [pipe]);
      const refused = await detectOnce({ IMPORTANCE_CSV: pipe }).catch((thrown: unknown) => thrown);
      expect(String(refused)).to.match(/^UserError: IMPORTANCE_CSV .* is a named pipe, not a file/);
    });

    it('has its rejected rows recorded under the name of the file, and those of an earlier file removed', async () => {
      const rejected = async () => {
        const { rows } = await current.database.client.query(
          'select object_key, line_number::int from bankpulse.rejected_rows',
        );
        return rows as unknown[];
      };
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,x\nC2,shop,1\n,shop,1\n');
      await detectOnce();
      const object_key = basename(current.importanceCsv);
      expect(await rejected()).to.have.deep.members([
        { object_key, line_number: 2 },
        { object_key, line_number: 4 },
      ]);
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\n');
      await detectOnce();
      expect(await rejected()).to.deep.equal([]);
    });
  });
});
