import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { children, csv, rowsOf, until, useDetector, type Chunk } from '../support/detector.js';

describe('detect', () => {
  describe('a file of detections', () => {
    const current = useDetector();
    const { put, detectOnce, startDetector, cutSessions, untilApplied, files } = current;

    it('has BATCH_ROWS of them in detection order, the last one fewer', async () => {
      await put(1, children(1, 3));
      await put(2, children(2, 9));
      await put(
        3,
        csv('m1,M,shop,1', 'm2,M,shop,1', 'm3,M,bar,1', ...['a', 'b', 'c'].map((name) => `${name},F,bar,1`)),
      );
      await put(4, csv(...['d', 'e', 'f', 'g'].map((name) => `${name},M,bar,1`)));
      await detectOnce({ BATCH_ROWS: 5 });
      const found = await files();
      expect(Object.values(found).flatMap(rowsOf)).to.deep.equal([
        ...['000', '001', '002'].map((number) => `PatId2 CHILD C1-${number} shop`),
        ...Array.from({ length: 9 }, (_, index) => `PatId2 CHILD C2-00${index} shop`),
        'PatId3 DEI-NEEDED  bar',
      ]);
      expect(
        Object.entries(found).map(([number, text]) => [Number(number), rowsOf(text).length]),
      ).to.deep.equal([
        [1, 5],
        [2, 5],
        [3, 3],
      ]);
      const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30`;
      expect(found[3]).to.match(
        new RegExp(
          '^YStartTime,detectionTime,patternId,ActionType,customerName,MerchantId\n' +
            `(${time},${time},PatId2,CHILD,C2-00[78],shop\n){2}${time},${time},PatId3,DEI-NEEDED,,bar\n$`,
        ),
      );
    });

    it('is closed short when nothing has come for a while, and never extended', async () => {
      const detector = startDetector({ BATCH_ROWS: 5 });
      await put(1, children(1, 3));
      const first = await until('the first file is there', async () => (await files())[1]);
      await put(2, children(2, 2));
      await until('the second file is there', async () => (await files())[2]);
      await detector.stop();
      const found = await files();
      expect(found[1]).to.equal(first);
      expect(Object.values(found).map((text) => rowsOf(text).length)).to.deep.equal([3, 2]);
    });

    it('is not closed short sooner because the database sessions were cut off', async () => {
      const FLUSH_AFTER_MS = 1000;
      const detector = startDetector({ FLUSH_AFTER_MS });
      await sleep(FLUSH_AFTER_MS * 1.2);
      await put(1, children(1, 3));
      await untilApplied(1);
      await cutSessions();
      await until('a file is there', async () => (await files())[1]);
      await detector.stop();
      const { rows } = await current.database.client.query<{ ms: number }>(
        `select 1000 * extract(epoch from closed_at - applied_at)::float as ms
         from bankpulse.chunks, bankpulse.detection_batches`,
      );
      expect(rows).to.have.length(1);
      expect(rows[0]!.ms).to.be.at.least(FLUSH_AFTER_MS);
    });

    it('is closed short after FLUSH_AFTER_MS, though the next listing is due much later', async () => {
      await put(1, children(1, 3));
      const detector = startDetector({ FLUSH_AFTER_MS: 100, POLL_INTERVAL_MS: 3_600_000 });
      await until('a file is there', async () => (await files())[1]);
      await detector.stop();
    });

    it('is not closed short while a gap is waited for', async () => {
      await put(1, children(1, 1));
      await put(3, children(3, 1));
      const detector = startDetector({ GAP_TIMEOUT_MS: 60_000, FLUSH_AFTER_MS: 0 });
      await untilApplied(1);
      await sleep(200);
      expect(await files()).to.deep.equal({});
      await put(2, children(2, 1));
      await until('a file is there', async () => (await files())[1]);
      await detector.stop();
      expect(rowsOf((await files())[1])).to.have.length(3);
    });

    it('is closed short when mechanism Y is told to end', async () => {
      await put(1, children(1, 3));
      const detector = startDetector({ FLUSH_AFTER_MS: 60_000 });
      await untilApplied(1);
      expect(await files()).to.deep.equal({});
      await detector.stop();
      expect(rowsOf((await files())[1])).to.have.length(3);
    });

    it('that was not known to be written is written again, the same', async () => {
      await put(1, children(1, 12));
      await detectOnce({ BATCH_ROWS: 5 });
      const before = await files();
      await current.database.client.query(
        'update bankpulse.detection_batches set exported_at = null where batch_no = 2',
      );
      await current.s3.store.put(`${current.prefix}detections/detections-00000002.csv`, 'half', 'text/csv');
      await detectOnce({ BATCH_ROWS: 7 });
      expect(await files()).to.deep.equal(before);
      const { rows } = await current.database.client.query(
        'select from bankpulse.detection_batches where exported_at is null',
      );
      expect(rows).to.have.length(0);
    });
  });

  describe('the same result', () => {
    const current = useDetector({ isShared: true });
    const { put, detectOnce, renewDatabase, cutSessions, ledger, detections, state, files } = current;
    const CHUNKS = 20;
    let undisturbed: {
      chunks: Chunk[];
      detections: string[];
      state: unknown[];
      files: Record<number, string[]>;
    };

    const results = async () => ({
      chunks: await ledger(),
      detections: await detections(),
      state: await state(),
      files: Object.fromEntries(
        Object.entries(await files()).map(([number, text]) => [number, rowsOf(text)]),
      ),
    });

    /** Customers come again in other chunks; all three patterns fire, in chunks here and there. */
    before(async () => {
      await writeFile(current.importanceCsv, 'Source,Target,Weight\nC1,shop,1\nC2,shop,2\nC3,shop,3\n');
      for (let chunk = 1; chunk <= CHUNKS; chunk++) {
        const rows = Array.from({ length: 10 }, (_, index) => {
          const customer = (chunk * index * 7) % 31;
          return `C${customer},${customer % 3 === 0 ? 'F' : 'M'},${index % 4 ? 'shop' : 'bar'},${(chunk * index) % 50}`;
        });
        await put(chunk, csv(...rows, `C1,F,shop,${chunk}`, `C1,F,shop,${chunk}`));
      }
      await detectOnce({ BATCH_ROWS: 5 });
      undisturbed = await results();
      for (const pattern of ['PatId1', 'PatId2', 'PatId3'])
        expect(undisturbed.detections.join()).to.include(pattern);
    });

    beforeEach(async () => {
      await renewDatabase();
      for (const number of Object.keys(await files())) {
        const Key = `${current.prefix}detections/detections-${number.padStart(8, '0')}.csv`;
        await current.s3.client.send(new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key }));
      }
    });

    it('comes of any number of restarts; only batches closed at the end of each are shorter', async () => {
      for (const count of [1, 3, 7]) {
        const controller = new AbortController();
        let applied = 0;
        await detectOnce(
          { BATCH_ROWS: 5 },
          {
            signal: controller.signal,
            isInputOver: () => false,
            onApplied: () => {
              if (++applied === count) controller.abort();
            },
          },
        );
      }
      await detectOnce({ BATCH_ROWS: 5 });
      const found = await results();
      expect({ ...found, files: Object.values(found.files).flat() }).to.deep.equal({
        ...undisturbed,
        files: Object.values(undisturbed.files).flat(),
      });
      for (const rows of Object.values(found.files)) expect(rows.length).to.be.within(1, 5);
    });

    it('comes of database sessions that are cut off in the middle', async () => {
      let applied = 0;
      let cuts = Promise.resolve();
      const log = await detectOnce(
        { BATCH_ROWS: 5 },
        {
          onApplied: () => {
            if (++applied % 6 === 0) cuts = cuts.then(() => cutSessions());
          },
        },
      );
      await cuts;
      expect(log.filter(({ msg }) => /in trouble/.test(msg))).not.to.deep.equal([]);
      expect(await results()).to.deep.equal(undisturbed);
    });
  });
});
