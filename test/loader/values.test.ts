import { expect } from 'chai';
import { importanceColumns } from '../../src/csv/header.js';
import { fileOf } from '../support/bytes.js';
import { useStaging } from '../support/staging.js';

describe('stageCsv', () => {
  const { stage } = useStaging();

  describe('cleans values', () => {
    const examples: [field: string, value: string][] = [
      ["'C1'", 'C1'],
      ["O'Hara", "O'Hara"],
      ["'O'Hara'", "O'Hara"],
      ["''a''", "'a'"],
      ["'", "'"],
      ["'''", "'"],
      ["' a '", ' a '],
      [" 'a' ", 'a'],
      [' a', 'a'],
      ['a ', 'a'],
      ['"\'a\'"', 'a'],
      ['" \'a\'\n"', 'a'],
      ['"a, ""b"""', 'a, "b"'],
      ['vaclav', 'vaclav'],
      ['trfnb', 'trfnb'], // like v, letters that stand for white space after a backslash
      ['\v\fa\t', 'a'],
      ['\\.', '\\.'],
      ['\\N', '\\N'],
      ['\u00a0a', '\u00a0a'],
      ['x'.repeat(1000), 'x'.repeat(1000)],
    ];
    for (const [field, value] of examples) {
      it(`${JSON.stringify(field.slice(0, 20))} is ${JSON.stringify(value.slice(0, 20))}`, async () => {
        const file = fileOf(`${field},${field},${field},1`);
        for (const way of [file, file.replace('customer', '"customer"')]) {
          const { rows, rejected } = await stage(way);
          expect({ rows, rejected }).to.deep.equal({ rows: [[value, value, value, '1']], rejected: [] });
        }
      });
    }

    it("keeps the rows of O'Hara and D'Arc on neighbouring lines apart", async () => {
      const { rows } = await stage(fileOf("O'Hara,F,M1,1", "D'Arc,M,M2,2"));
      expect(rows).to.deep.equal([
        ["O'Hara", 'F', 'M1', '1'],
        ["D'Arc", 'M', 'M2', '2'],
      ]);
    });

    it('finds the columns by quoted names, in another order and case, beside others', async () => {
      const { rows } = await stage(
        `\xef\xbb\xbf"'AMOUNT'",note,"Merchant ",GENDER,'customer'\r\n1.50,"a\nb",M,F,C\r\n`,
      );
      expect(rows).to.deep.equal([['C', 'F', 'M', '1.50']]);
    });

    it('takes Source, Target and Weight of an importance file, on both ways', async () => {
      const plain = await stage(
        "Source,Target,Weight,typeTrans,fraud\r\n'C1','M1',4.55,'es',0\r\n",
        importanceColumns,
      );
      const careful = await stage('"Source",Target,Weight\nC1,M1,4.55\n', importanceColumns);
      expect(plain).to.deep.equal({ way: 'plain', rows: [['C1', '', 'M1', '4.55']], rejected: [] });
      expect(careful).to.deep.equal({ ...plain, way: 'careful' });
    });
  });
});
