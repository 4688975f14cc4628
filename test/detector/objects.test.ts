import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { SqlFunctions } from '../../src/database/functions.js';
import { children, csv, until, useDetector } from '../support/detector.js';

describe('detect', () => {
  const current = useDetector();
  const { put, chunkKey, detectOnce, startDetector, renewDatabase, ledger, untilApplied, detections, state } =
    current;

  describe('an object', () => {
    it('whose content is unusable is quarantined with the reason, and the others are applied', async () => {
      const packed = gzipSync(children(9, 1));
      const bad: Record<string, [content: string | Buffer, reason: RegExp]> = {
        'chunk_1.csv': ['', /empty/],
        'chunk_3.csv': ['customer,gender,amount\nC1,F,1\n', /no column "merchant"/],
        'chunk_4.csv': ['customer,gender,merchant,amount,Amount\nC1,F,shop,1,1\n', /column "amount" twice/],
        'chunk_5.csv': [csv('C1,F,"shop,1', 'C2,F,shop,1'), /line 2 .*never closed/],
        'chunk_6.csv': [packed.subarray(0, packed.length - 10), /gzip data is broken/],
        'chunk_7.csv.gz': [packed.subarray(0, packed.length - 10), /gzip data is broken/],
        'chunk_8.csv': [csv('C1,F,shop,1'.repeat(200)), /larger than 1000 bytes/],
        'chunk_9.csv.gz': [
          gzipSync(csv(...Array<string>(200).fill('C1,F,shop,1'))),
          /larger than 1000 bytes/,
        ],
        'chunk_10.csv.gz': [gzipSync(''), /empty/],
      };
      await put(2, csv('C1,F,shop,1'));
      await put('chunk_11.csv.gz', gzipSync(csv('C2,F,shop,1')));
      await put(12, csv());
      for (const [name, [content]] of Object.entries(bad)) await put(name, content);
      await detectOnce({ MAX_CHUNK_BYTES: 1000 });
      const chunks = await ledger();
      for (const [name, [, reason]] of Object.entries(bad)) {
        const { status, error } =
          chunks.find(({ object_key }) => object_key === name) ?? expect.fail(`${name} is lost`);
        expect(status, name).to.equal('quarantined');
        expect(error, name).to.match(reason);
      }
      expect(
        chunks
          .filter(({ status }) => status === 'applied')
          .map(({ object_key, row_count, is_late }) => [object_key, row_count, is_late]),
      ).to.deep.equal([
        ['chunk_2.csv', 1, false],
        ['chunk_11.csv.gz', 1, false],
        ['chunk_12.csv', 0, false],
      ]);
    });

    it('is unpacked if its bytes are gzip, whatever its name is', async () => {
      await put('chunk_1.csv', gzipSync(csv('C1,F,shop,1')));
      await put('chunk_2.csv.gz', csv('C2,F,shop,1'));
      await put('chunk_3.csv.gz', '');
      for (const PREFETCH_BYTES of [1_000_000, 1]) {
        await detectOnce({ PREFETCH_BYTES });
        expect((await ledger()).map(({ status, row_count }) => [status, row_count])).to.deep.equal([
          ['applied', 1],
          ['applied', 1],
          ['quarantined', 0],
        ]);
        await renewDatabase();
      }
    });

    it('whose number is taken is quarantined, together with it or later', async () => {
      await put('chunk-00000001.csv', csv('C1,F,shop,1'));
      await put(1, csv('C2,F,shop,1'));
      await detectOnce();
      await put('other-1.csv', csv('C3,F,shop,1'));
      await detectOnce();
      const chunks = await ledger();
      expect(chunks.map(({ object_key, status }) => [object_key, status])).to.deep.equal([
        ['chunk-00000001.csv', 'applied'],
        ['chunk_1.csv', 'quarantined'],
        ['other-1.csv', 'quarantined'],
      ]);
      expect(chunks[1]!.error).to.equal(
        'another object with number 1 was applied before, and each number is applied once (names without a running number need CHUNK_ORDER=name, a new database and a new DETECTIONS_PREFIX)',
      );
      expect(await state()).to.have.length(1);
    });

    it('that is none of the stream is passed over, and said when there is nothing else', async () => {
      await put('_temporary/0/part-1.csv', csv('C1,F,shop,1'));
      await put('._chunk_2.csv', 'resource fork');
      await put('folder/', '');
      await put('stream-3.gz', 'x');
      const log = await detectOnce();
      expect(await ledger()).to.deep.equal([]);
      const said = log.filter(({ msg }) => msg.includes('their names must end in .csv or .csv.gz'));
      expect(said).to.have.length(1);
      await put(1, csv('C1,F,shop,1'));
      const again = await detectOnce();
      expect(again.filter(({ msg }) => msg.includes('their names'))).to.deep.equal([]);
      expect((await ledger()).map(({ object_key }) => object_key)).to.deep.equal(['chunk_1.csv']);
    });

    it('of which no row is accepted is said once', async () => {
      for (const chunk of [1, 2]) await put(chunk, csv('C1,F,shop,"12,50"'));
      const log = await detectOnce();
      expect(log.filter(({ msg }) => msg.startsWith('no row of this object is accepted'))).to.have.length(1);
    });

    it('in quarantine is left alone until it is retried', async () => {
      await put('chunk_1.csv', csv('C2,F,shop,1'));
      await put('copy_1.csv', csv('C1,F,shop,1'));
      await put('chunk_2.csv', csv('C2,F,shop,1'));
      await detectOnce();
      await current.database.client.query(
        'update bankpulse.chunks set object_number = 10 where object_key = $1',
        [chunkKey('chunk_1.csv')],
      );
      expect((await detectOnce()).filter(({ msg }) => msg.startsWith('chunk applied'))).to.deep.equal([]);
      const functions = new SqlFunctions(current.database.client);
      expect(await functions.retryQuarantinedChunk(chunkKey('copy_1.csv'))).to.equal(true);
      await detectOnce();
      expect((await ledger()).map(({ object_key, is_late }) => [object_key, is_late])).to.deep.equal([
        ['chunk_1.csv', false],
        ['chunk_2.csv', false],
        ['copy_1.csv', true],
      ]);
      expect(await functions.retryQuarantinedChunk(chunkKey('copy_1.csv'))).to.equal(false);
    });

    it('in quarantine is tried again by itself when it has changed, which is said once', async () => {
      await put(1, ''); // as uploaders do that create first and write later
      await put(2, csv('C2,F,shop,1'));
      const detector = startDetector();
      await untilApplied(1);
      await put(1, 'still no columns\n');
      await until('the ledger says what became of it', async () =>
        (await ledger()).some(({ error }) => error?.includes('no column')),
      );
      await put(1, csv('C1,F,shop,1'));
      await put(3, csv('C3,F,shop,1'));
      const chunks = await untilApplied(3);
      await sleep(300); // more listings
      await detector.stop();
      expect((await ledger()).filter(({ status }) => status === 'quarantined')).to.deep.equal([]);
      const said = detector.log.filter(({ key }) => key === chunkKey(1)).map(({ msg }) => msg);
      expect(said).to.deep.equal([
        'object quarantined',
        'object has changed since it was quarantined: it is tried again',
        'object quarantined',
        'object has changed since it was quarantined: it is tried again',
        'chunk applied',
      ]);
      const lateness = new Map(chunks.map(({ object_number, is_late }) => [object_number, is_late]));
      expect(lateness.get(1)).to.equal(true);
    });

    it('without a usable number is reported once and ignored, one that is no CSV file ignored', async () => {
      await put(1, csv());
      await put('readme.csv', csv('C1,F,shop,1'));
      await put(`chunk_${'1'.repeat(19)}.csv`, csv('C1,F,shop,1'));
      await put('chunk_2.txt', csv('C1,F,shop,1'));
      const log = await detectOnce();
      const reported = log.filter(({ msg }) => /no usable number/.test(msg)).map(({ key }) => key);
      expect(reported).to.have.members([chunkKey('readme.csv'), chunkKey(`chunk_${'1'.repeat(19)}.csv`)]);
      expect((await ledger()).map(({ object_number }) => object_number)).to.deep.equal([1]);
      expect(await state()).to.deep.equal([]);
    });

    it('that was applied and then replaced is reported, and not applied again', async () => {
      await put(1, csv('C1,F,shop,1'));
      await detectOnce();
      const before = await state();
      await put(1, csv('C1,F,shop,1', 'C1,F,shop,1'));
      const log = await detectOnce();
      expect(log.filter(({ msg, key }) => /replaced/.test(msg) && key === chunkKey(1))).to.have.length(1);
      expect(await state()).to.deep.equal(before);
    });

    it('that is gone after it was applied changes nothing', async () => {
      await put(1, csv('C1,F,shop,1'));
      await detectOnce();
      await current.s3.client.send(
        new DeleteObjectCommand({ Bucket: current.s3.store.bucket, Key: chunkKey(1) }),
      );
      await put(2, csv('C2,F,shop,1'));
      await detectOnce();
      expect((await ledger()).map(({ chunk_no }) => chunk_no)).to.deep.equal([1, 2]);
    });

    it('with rejected rows counts each row once, as accepted or as rejected', async () => {
      await put(1, csv('C1,F,shop,1', 'C2,F,shop,x', '', ',F,shop,1', '"C\n3",F,shop,1', 'C4'));
      await detectOnce();
      expect(
        (await ledger()).map(({ row_count, rejected_count }) => [row_count, rejected_count]),
      ).to.deep.equal([[2, 3]]);
      const { rows } = await current.database.client.query<{ line_number: string }>(
        'select line_number from bankpulse.rejected_rows where object_key = $1 order by line_number',
        [chunkKey(1)],
      );
      expect(rows.map(({ line_number }) => Number(line_number))).to.deep.equal([3, 5, 8]);
    });

    it('too large to be read ahead is streamed, with the same result', async () => {
      const rows = Array.from({ length: 400 }, (_, index) => `C${index % 7},F,shop,${index}.5`);
      const shapes: Record<string, string | Buffer> = {
        'chunk_1.csv': csv(...rows),
        'chunk_2.csv': csv(...rows, '"C8",F,shop,1', 'C9,F,shop,x'), // begun the plain way, then the careful way
        'chunk_3.csv.gz': gzipSync(csv(...rows, '"C8",F,shop,1')),
        'chunk_4.csv': csv(...rows, 'C1,"F,shop,1'),
        'chunk_5.csv': csv(...rows),
      };
      for (const [name, content] of Object.entries(shapes)) await put(name, content);
      await detectOnce();
      const prefetched = { chunks: await ledger(), state: await state(), detections: await detections() };
      await renewDatabase();
      await detectOnce({ PREFETCH_BYTES: 10 });
      expect({ chunks: await ledger(), state: await state(), detections: await detections() }).to.deep.equal(
        prefetched,
      );
      expect(prefetched.chunks.map(({ status }) => status)).to.deep.equal([
        ...Array<string>(4).fill('applied'),
        'quarantined',
      ]);
    });
  });
});
