import { expect } from 'chai';
import { HEADER, fileOf, utf8 } from '../support/bytes.js';
import { useStaging } from '../support/staging.js';

describe('stageCsv', () => {
  const { stage } = useStaging();

  describe('rejects', () => {
    it('with a reason for each kind', async () => {
      const { rows, rejected } = await stage(
        `${HEADER}\n'C1','F','M1',1\nC,F,M\n,F,M,1\nC,F," ",1\nC,F,M,abc\nC,F,M\xff,1\nC,F,"M"x,1\nC\0,F,M,1\n` +
          `${'x'.repeat(1001)},F,M,1\nC,F,${'x'.repeat(1001)},1\n'C2','F','M1',2\n`,
      );
      expect(rows.map(([customer]) => customer)).to.deep.equal(['C1', 'C2']);
      expect(rejected.map(({ line_number, reason }) => [line_number, reason])).to.deep.equal([
        [3, 'the row has 3 fields, the header 4'],
        [4, 'the customer is empty'],
        [5, 'the merchant is empty'],
        [6, 'the amount is not a valid number'],
        [7, 'the row is not UTF-8'],
        [8, 'a value goes on behind its closing double quote'],
        [9, 'a value holds a NUL byte'],
        [10, 'the customer is longer than 1,000 bytes'],
        [11, 'the merchant is longer than 1,000 bytes'],
      ]);
    });

    it('with the physical line, counting line breaks inside quotes and empty lines', async () => {
      const { rejected } = await stage(
        `note,${HEADER}\n"two\nlines",C,F,M,1\n\r\n"three\r\n\n lines",C,F,M,bad\n"x",C,F,M,\n`,
      );
      expect(rejected).to.deep.equal([
        { line_number: 5, line: '"three\r\n\n lines",C,F,M,bad', reason: 'the amount is not a valid number' },
        { line_number: 8, line: '"x",C,F,M,', reason: 'the amount is not a valid number' },
      ]);
    });

    it('with the row as it came, at most 1,000 characters of it', async () => {
      const { rejected } = await stage(
        fileOf('𝄞'.repeat(2000), `a${'b'.repeat(999)}`, `,${'b'.repeat(1000)}`),
      );
      expect(rejected.map(({ line }) => line)).to.deep.equal([
        '𝄞'.repeat(1000),
        `a${'b'.repeat(999)}`,
        `,${'b'.repeat(999)}`,
      ]);
    });

    it('with \\xNN for bytes that text cannot hold', async () => {
      const { rejected } = await stage(
        `${HEADER}\n${utf8('é')}\xc3,\xff\0\n\xed\xa0\x80,${'\xff'.repeat(1000)}`,
      );
      expect(rejected.map(({ line }) => line)).to.deep.equal([
        'é\\xC3,\\xFF\\x00',
        `\\xED\\xA0\\x80,${'\\xFF'.repeat(1000)}`.slice(0, 1000),
      ]);
    });

    it('a carriage return alone on the last line, which is no line end', async () => {
      for (const header of [HEADER, HEADER.replace('customer', '"customer"')]) {
        const { rows, rejected } = await stage(`${header}\nC,F,M,1\n\r`);
        expect({ rows: rows.length, rejected: rejected.length }).to.deep.equal({ rows: 1, rejected: 1 });
      }
    });
  });
});
