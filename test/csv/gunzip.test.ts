import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { gunzipped } from '../../src/csv/gunzip.js';

/** The bytes of `packed`, cut into blocks of these sizes in turn, unpacked; or the code of the error. */
async function unpack(packed: Buffer, sizes: readonly number[] = [Infinity]): Promise<string> {
  function* blocks() {
    for (let at = 0, turn = 0; at < packed.length; turn++) {
      const end = at + sizes[turn % sizes.length]!;
      yield packed.subarray(at, end);
      at = end;
    }
  }
  const pieces: Buffer[] = [];
  try {
    for await (const piece of gunzipped(Readable.from(blocks()))) pieces.push(Buffer.from(piece));
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return Buffer.concat(pieces).toString('latin1');
}

const blockSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
const members = fc.array(fc.tuple(fc.string({ maxLength: 50 }), fc.nat({ max: 60 })), {
  minLength: 1,
  maxLength: 5,
});

describe('gunzipped', () => {
  const packed = gzipSync('abc');

  it('gives all members, with zeros between and behind them or without, however they are cut into blocks', async () => {
    await fc.assert(
      fc.asyncProperty(members, blockSizes, async (listed, sizes) => {
        const file = Buffer.concat(listed.flatMap(([text, zeros]) => [gzipSync(text), Buffer.alloc(zeros)]));
        const whole = Buffer.from(listed.map(([text]) => text).join('')).toString('latin1');
        expect(await unpack(file, sizes)).to.equal(whole);
        expect(await unpack(file)).to.equal(whole);
      }),
      { numRuns: 100 },
    );
  });

  it('finds a fault wherever a member is cut, also the second, and in whatever blocks', async () => {
    for (const before of [Buffer.alloc(0), packed, Buffer.concat([packed, Buffer.alloc(7)])]) {
      for (let length = 1; length < packed.length; length++) {
        const file = Buffer.concat([before, packed.subarray(0, length)]);
        for (const sizes of [[Infinity], [1], [5, 2]])
          expect(await unpack(file, sizes), `${before.length} + ${length}`).to.equal('Z_BUF_ERROR');
      }
    }
  });

  it('finds a fault in what is behind a member and is none, also behind zeros', async () => {
    for (const garbage of ['x', 'garbage', '\0garbage', '\x1f\x8b\xff\xff\xff', `${'\0'.repeat(99)}\n`]) {
      const file = Buffer.concat([packed, Buffer.from(garbage, 'latin1')]);
      for (const sizes of [[Infinity], [1], [packed.length, 3]])
        expect(await unpack(file, sizes), JSON.stringify(garbage)).to.match(/^Z_(DATA|BUF)_ERROR$/);
    }
  });

  it('gives nothing for no bytes, and finds a fault in zeros alone and in what is not gzip', async () => {
    expect(await unpack(Buffer.alloc(0))).to.equal('');
    for (const file of [Buffer.alloc(100), Buffer.from('customer,gender\n')])
      expect(await unpack(file)).to.equal('Z_DATA_ERROR');
  });

  it('ends with the error of its source, and destroys the source of whoever stops early', async () => {
    function* broken() {
      yield packed;
      throw new Error('the source broke');
    }
    const pieces: string[] = [];
    let failure: unknown;
    try {
      for await (const piece of gunzipped(Readable.from(broken()))) pieces.push(piece.toString());
    } catch (error) {
      failure = error;
    }
    expect(failure).to.be.an('error').with.property('message', 'the source broke');

    function* endless() {
      for (;;) yield gzipSync(Buffer.alloc(1 << 20));
    }
    const source = Readable.from(endless());
    for await (const piece of gunzipped(source)) {
      expect(piece.length).to.be.greaterThan(0);
      break;
    }
    expect(source.destroyed).to.equal(true);
  });
});
