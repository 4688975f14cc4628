import { expect } from 'chai';
import fc from 'fast-check';
import { storableText } from '../../src/loader/storable-text.js';
import { bytesOf, utf8 } from '../support/bytes.js';

/** In other words: a UTF-8 character that is not NUL, or any byte. */
const PIECE = new RegExp(
  [
    '[\\x01-\\x7f]|[\\xc2-\\xdf][\\x80-\\xbf]|\\xe0[\\xa0-\\xbf][\\x80-\\xbf]|\\xed[\\x80-\\x9f][\\x80-\\xbf]',
    '[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}|[\\xf1-\\xf3][\\x80-\\xbf]{3}',
    '\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}|([^])',
  ].join('|'),
  'g',
);
const expected = (binary: string) => {
  const escaped = binary.replace(PIECE, (piece, byte?: string) =>
    byte === undefined ? piece : `\\x${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return [...bytesOf(escaped).toString()].slice(0, 1000).join('');
};

const unit = fc.oneof(
  fc.constantFrom('a', 'b', utf8('é'), utf8('日'), utf8('𝄞'), '\0'),
  fc.constantFrom('\xff', '\xc3', '\xe6\x97', '\xed\xa0\x80', '\xc0\x80', '\xf4\x90\x80\x80', '\x80'),
);

describe('storableText', () => {
  it('is the first 1,000 characters, and \\xNN for each byte that is none', () => {
    fc.assert(
      fc.property(
        fc.array(unit, { maxLength: 8 }),
        fc.constantFrom(1, 100, 1000, 2000),
        fc.nat({ max: 3 }),
        (units, times, cut) => {
          const binary = units.join('').repeat(times).slice(cut);
          expect(storableText(bytesOf(binary))).to.equal(expected(binary));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes a moment for ten thousand long rows, since every row of the careful way passes here', () => {
    const row = Buffer.from(`x${'é'.repeat(5000)}`);
    const start = process.cpuUsage();
    for (let times = 0; times < 10_000; times++) storableText(row);
    const { user } = process.cpuUsage(start);
    expect(user / 1000).to.be.lessThan(3000); // ms of CPU; a look at each character took many times that
  });
});
