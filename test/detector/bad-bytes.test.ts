import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { SqlFunctions } from '../../src/database/functions.js';
import { bytesOf } from '../support/bytes.js';
import { corpus, type Specimen } from '../support/corpus.js';
import { csv, useDetector } from '../support/detector.js';

/** Of the corpus, what is worst for a pipeline: it breaks off in the middle, is large, or is no text. */
const WORST = [
  'NUL bytes behind the last row',
  'UTF-16, little-endian, without mark',
  'a double quote open in an earlier row',
  'a row longer than 16 MiB',
  '10,000 columns, with a value less, one more, and only four',
  'random bytes',
  'an ELF program',
  'values that look like SQL, COPY, paths, formulas and terminals',
  'gzip with zeros between its members',
  'gzip with garbage behind it',
  'gzip cut short',
  'CSV that is named .gz',
  'a gzip bomb of one line',
];
const worst = WORST.map(
  (name) =>
    Object.values(corpus)
      .flat()
      .find((specimen) => specimen.name === name) ?? expect.fail(`the corpus has no "${name}"`),
);

describe('detect, given bad bytes', () => {
  const current = useDetector();
  const { put, chunkKey, detectOnce, ledger, state } = current;

  const nameOf = (number: number, { isPacked }: Specimen) => `chunk_${number}.csv${isPacked ? '.gz' : ''}`;
  const MAX_CHUNK_BYTES = 32 << 20;

  /** Bad objects under even numbers, good ones around them. */
  async function putAll(): Promise<void> {
    for (const [at, specimen] of worst.entries()) {
      await put(2 * at + 1, csv(`C${at},F,shop,1`));
      await put(nameOf(2 * at + 2, specimen), bytesOf(specimen.file));
    }
    await put(2 * worst.length + 1, csv('last,F,shop,1'));
  }

  const expectedOf = ({ expected }: Specimen) =>
    'rows' in expected
      ? {
          status: 'applied',
          row_count: typeof expected.rows === 'number' ? expected.rows : expected.rows.length,
          rejected_count: expected.rejected?.length ?? 0,
          error: null,
        }
      : { status: 'quarantined', error: expected.quarantined };

  for (const [how, PREFETCH_BYTES] of Object.entries({ 'read ahead': 64 << 20, streamed: 10 })) {
    it(`applies the good chunks among bad ones, ${how}, and tells what is wrong with those`, async () => {
      await putAll();
      await detectOnce({ MAX_CHUNK_BYTES, PREFETCH_BYTES });
      const chunks = new Map((await ledger()).map((chunk) => [chunk.object_key, chunk]));
      expect(chunks.size).to.equal(2 * worst.length + 1);
      for (const [at, specimen] of worst.entries()) {
        expect(chunks.get(`chunk_${2 * at + 1}.csv`)).to.include({ status: 'applied', row_count: 1 });
        expect(chunks.get(nameOf(2 * at + 2, specimen)), specimen.name).to.include(expectedOf(specimen));
      }
      expect(chunks.get(`chunk_${2 * worst.length + 1}.csv`)).to.include({
        status: 'applied',
        is_late: false,
      });
    });
  }

  it('applies an object that was mended when its quarantine is lifted, and quarantines it again if it was not', async () => {
    const whole = gzipSync(csv('C1,F,shop,1', 'C2,F,shop,2'));
    await put('chunk_1.csv.gz', whole.subarray(0, -9));
    await put(2, csv('C3,F,shop,"3'));
    await put(3, csv('C4,F,shop,4'));
    await detectOnce();
    const functions = new SqlFunctions(current.database.client);
    for (const name of ['chunk_1.csv.gz', 'chunk_2.csv']) {
      expect(await functions.retryQuarantinedChunk(chunkKey(name))).to.equal(true);
    }
    await put('chunk_1.csv.gz', whole);
    await detectOnce();
    expect(
      (await ledger()).map(({ object_key, status, row_count, error }) => [
        object_key,
        status,
        row_count,
        error,
      ]),
    ).to.deep.equal([
      ['chunk_3.csv', 'applied', 1, null],
      ['chunk_1.csv.gz', 'applied', 2, null],
      [
        'chunk_2.csv',
        'quarantined',
        0,
        'the record that starts on line 2 opens a quote (") that is never closed',
      ],
    ]);
    expect(await state()).to.have.length(3);
  });
});
