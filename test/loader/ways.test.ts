import { expect } from 'chai';
import { HEADER, fileOf } from '../support/bytes.js';
import { useStaging } from '../support/staging.js';

describe('stageCsv', () => {
  const { stage } = useStaging();

  describe('goes the plain way', () => {
    const banksim =
      "step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud\r\n0,'C1093826151','4','M','28007','M348934600','28007','es_transportation',4.55,0\r\n";
    const examples: Record<string, string> = {
      'with the shape of BankSim': banksim,
      'without line end at the end': banksim.trimEnd(),
      'with a byte order mark and empty lines': `\xef\xbb\xbf${banksim}\n\r\n`,
      'with names without quotes, signs and fractions': fileOf('C1,F,M1,-.5', 'C2,,M2,+0010.25'),
      'with an apostrophe inside a name, or lone': fileOf("O'Hara,F,M1,1", "D'Arc,M,M1,2", "',F,M,3"),
      'with non-ASCII names': fileOf("'Zoë',F,'日本',1"),
      'with the columns in another order and case': "Amount,MERCHANT,'Gender',other, customer \n1,M,F,x,C\n",
      'with the header alone': fileOf(),
      'with the header alone and no line end': HEADER,
    };
    for (const [name, file] of Object.entries(examples)) {
      it(name, async () => {
        const { way, rejected } = await stage(file);
        expect({ way, rejected }).to.deep.equal({ way: 'plain', rejected: [] });
      });
    }
  });

  describe('goes carefully', () => {
    const examples: Record<string, string> = {
      'with a double quote in the header': '"customer",gender,merchant,amount\nC,F,M,1\n',
      'with a double quote in a row': fileOf('"C",F,M,1'),
      'with an exponent in an amount': fileOf('C,F,M,1e2'),
      'with white space around a needed value': fileOf('C ,F,M,1'),
      'with a tab or a backslash anywhere': fileOf('C,F,M\t1\\,1'),
      'with a carriage return inside a line': fileOf('C\rC,F,M,1'),
      'with an empty line before the header': `\n${fileOf('C,F,M,1')}`,
      'with a line of more than 1 MiB':
        'customer,gender,merchant,amount,note\nC,F,M,1,' + 'x'.repeat(1 << 21),
    };
    for (const [name, file] of Object.entries(examples)) {
      it(name, async () => {
        const { way, rows, rejected } = await stage(file);
        expect({ way, rows: rows.length, rejected }).to.deep.equal({ way: 'careful', rows: 1, rejected: [] });
      });
    }
    const rejecting: Record<string, string> = {
      'with an empty customer': fileOf("'',F,M,1"),
      'with a bad amount': fileOf('C,F,M,1.2.3'),
      'with a field too many': fileOf('C,F,M,1,x'),
      'with bytes that are not UTF-8': `${HEADER}\nC,F,\xff,1\n`,
      'with bytes that are not UTF-8 in a column nobody needs': `${HEADER},x\nC,F,M,1,\xff\n`,
    };
    for (const [name, file] of Object.entries(rejecting)) {
      it(`${name}, which is rejected`, async () => {
        const { way, rows, rejected } = await stage(file);
        expect({ way, rows, rejected: rejected.length }).to.deep.equal({
          way: 'careful',
          rows: [],
          rejected: 1,
        });
      });
    }
  });
});
