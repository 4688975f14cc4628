import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { bufferedObject } from '../../src/loader/object-content.js';
import { ContentError } from '../../src/errors.js';
import { carefulRecords } from '../../src/loader/careful.js';
import { transactionColumns } from '../../src/csv/header.js';
import { NotPlain, plainRows } from '../../src/loader/plain.js';
import { isLargeDose } from '../support/dose.js';
import { blocksOf, fileOf } from '../support/bytes.js';
import { blockSizes, files } from '../support/csv-files.js';
import { exactAmount, judge, type Verdict } from '../support/csv-oracle.js';
import { damaged } from '../support/damage.js';
import { forCarefulWay, useStaging, type Staged } from '../support/staging.js';

/** FUZZ_RUNS files of each kind; a failure prints the seed, which FUZZ_SEED takes. */
const runs = Number(process.env.FUZZ_RUNS || (isLargeDose ? 2000 : 100));
const seed = Number(process.env.FUZZ_SEED || Math.floor(Math.random() * 2 ** 31));

const wholeFiles = files.map(({ file }) => file);
/** As X makes them from the real data: what is damaged most often. */
const banksimFiles = fc
  .array(fc.tuple(fc.nat({ max: 99 }), fc.nat({ max: 9 }), fc.nat({ max: 99_999 })), { maxLength: 6 })
  .map((rows) =>
    [
      'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud',
      ...rows.map(
        ([customer, merchant, cents]) =>
          `0,'C${customer}','4','M','28007','M${merchant}','28007','es_food',${cents / 100},0`,
      ),
      '',
    ].join('\n'),
  );
const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const kinds: Record<string, fc.Arbitrary<string>> = {
  'files of all shapes': wholeFiles,
  'files of all shapes, damaged': damaged(wholeFiles),
  'files like BankSim, damaged': damaged(banksimFiles),
  'any bytes': anyBytes,
  'any bytes below a header': anyBytes.map((bytes) => fileOf() + bytes),
};

/** All that a way hands to COPY, as text; or why it gives up. */
async function copyTextOf(blocks: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of blocks) pieces.push(Buffer.from(piece));
  } catch (error) {
    if (!(error instanceof NotPlain || error instanceof ContentError)) throw error;
    return `${error.name}: ${error.message}`;
  }
  return Buffer.concat(pieces).toString('latin1');
}

describe(`stageCsv, fuzzed with FUZZ_SEED=${seed} FUZZ_RUNS=${runs}`, function () {
  this.timeout(60_000 + runs * 1000);
  const { stage } = useStaging();

  async function outcomeOf(file: string): Promise<Staged | { refused: string }> {
    try {
      return await stage(file);
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      return { refused: error.message };
    }
  }

  /** In the oracle's words. */
  function verdictOf(outcome: Staged | { refused: string }): Verdict {
    if ('refused' in outcome) return outcome;
    return {
      rows: outcome.rows.map(([customer, gender, merchant, amount]) => [
        customer!,
        gender!,
        merchant!,
        exactAmount(amount!)!,
      ]),
      rejected: outcome.rejected.map(({ line_number, reason }) => [line_number, reason]),
    };
  }

  for (const [kind, arbitrary] of Object.entries(kinds)) {
    it(`${kind}: as the oracle reads it, on both ways, in whatever blocks they come`, async () => {
      const counts = { plain: 0, careful: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(arbitrary, blockSizes, async (file, sizes) => {
          const outcome = await outcomeOf(file);
          expect(verdictOf(outcome)).to.deep.equal(judge(file));
          for (const way of [plainRows, carefulRecords]) {
            const whole = await copyTextOf(way(blocksOf(file), transactionColumns));
            expect(await copyTextOf(way(blocksOf(file, sizes), transactionColumns))).to.equal(whole);
          }
          if ('refused' in outcome) counts.refused++;
          else {
            counts[outcome.way]++;
            // a file that goes the plain way has no rejected rows, whose line numbers would differ
            if (outcome.way === 'plain') {
              const careful = await outcomeOf(forCarefulWay(file));
              expect(careful).to.deep.equal({ ...outcome, way: 'careful' });
            }
          }
        }),
        { numRuns: runs, seed },
      );
      if (process.env.FUZZ_RUNS) process.stderr.write(`      ${kind}: ${JSON.stringify(counts)}\n`);
      if (kind === 'files of all shapes') expect(counts).to.have.property('refused', 0);
      if (kind !== 'any bytes') expect(Math.min(counts.careful, counts.plain)).to.be.greaterThan(0);
    });
  }

  it('gzip data, damaged: its content, or a fault of the object', async () => {
    const packed = banksimFiles.map((file) => gzipSync(file).toString('latin1'));
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(damaged(packed), async (file) => {
        const { open } = bufferedObject('', Buffer.from(file, 'latin1'), 1 << 20);
        try {
          for await (const block of await open()) expect(block.length).to.be.greaterThan(0);
          whole++;
        } catch (error) {
          expect(error).to.be.instanceOf(ContentError);
        }
      }),
      { numRuns: runs, seed },
    );
    // few changes leave a checksum right: those of the header's time and system
    expect(whole).to.be.lessThan(runs / 2);
  });
});
