import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { ContentError } from '../../src/errors.js';
import { carefulRecords } from '../../src/loader/careful.js';
import { importanceColumns, transactionColumns, type NeededColumns } from '../../src/loader/columns.js';
import { NotPlain, plainRows } from '../../src/loader/plain.js';
import { stageCsv } from '../../src/loader/stage.js';
import { SqlFunctions } from '../../src/sql-functions.js';
import { useDatabase } from '../support/database.js';

// Files are written here as "binary" strings, one character for each byte, so that they can hold what is not UTF-8.
const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const bytesOf = (binary: string) => Buffer.from(binary, 'latin1');

interface Staged {
  way: 'straight' | 'careful';
  /** customer, gender, merchant, amount */
  rows: string[][];
  rejected: { line_number: number; line: string; reason: string }[];
}

const HEADER = 'customer,gender,merchant,amount';
/** These rows below a header of the four columns alone. */
const fileOf = (...rows: string[]) => [HEADER, ...rows].map((row) => `${utf8(row)}\n`).join('');

// --- what semantics.md says under "Files and values", in other words ---

/** A record and its line end. A quote opens a field only at its start; what it opens may go over several lines. */
const RECORD =
  /((?:"(?:[^"]|"")*"[^,\n]*|[^",\n][^,\n]*|)(?:,(?:"(?:[^"]|"")*"[^,\n]*|[^",\n][^,\n]*|))*)(\n|$)/y;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function* recordsOf(file: string): Generator<{ line: number; text: string }> {
  RECORD.lastIndex = file.startsWith('\xef\xbb\xbf') ? 3 : 0;
  for (let line = 1; RECORD.lastIndex < file.length;) {
    const [whole, text = '', end] = RECORD.exec(file) ?? expect.fail('an unclosed quote');
    const record = end === '\n' ? text.replace(/\r$/, '') : text;
    if (record !== '') yield { line, text: record };
    line += whole.split('\n').length - 1;
  }
}

/** The fields of a record; undefined if it is not UTF-8 or its quotes are not as RFC 4180 has them. */
function fieldsOf(binary: string): string[] | undefined {
  try {
    const text = strictUtf8.decode(bytesOf(binary));
    return parse(text, { record_delimiter: '\n', relax_column_count: true })[0];
  } catch {
    return undefined;
  }
}

const cleaned = (field: string) =>
  field.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '').replace(/^'([^]*)'$/, '$1');

/** In units of 10^-15; undefined if it is no valid amount. */
function exactAmount(value: string): bigint | undefined {
  const match = /^([+-]?)(?:(\d+)(?:\.(\d+))?|\.(\d+))(?:e([+-]?\d{1,2}))?$/.exec(value);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = match[4] ?? '', , exponent = '0'] = match;
  const scale = fraction.length - Number(exponent);
  if (scale > 15) return undefined;
  const size = BigInt(whole + fraction) * 10n ** BigInt(15 - scale);
  return size >= 10n ** 45n ? undefined : sign === '-' ? -size : size;
}

function judge(file: string): { rows: (string | bigint)[][]; rejectedLines: number[] } {
  const [header, ...records] = recordsOf(file);
  const names = fieldsOf(header!.text)!.map((name) => cleaned(name).toLowerCase());
  const rows: (string | bigint)[][] = [];
  const rejectedLines: number[] = [];
  for (const { line, text } of records) {
    const fields = fieldsOf(text);
    const [customer, gender, merchant, amount] = ['customer', 'gender', 'merchant', 'amount'].map((name) =>
      cleaned(fields?.[names.indexOf(name)] ?? ''),
    ) as [string, string, string, string];
    const exact = exactAmount(amount);
    const isStorable = ![customer, gender, merchant].some((value) => value.includes('\0'));
    if (fields?.length === names.length && customer && merchant && exact !== undefined && isStorable)
      rows.push([customer, gender, merchant, exact]);
    else rejectedLines.push(line);
  }
  return { rows, rejectedLines };
}

// --- files of all shapes ---

const oddCharacters = fc.string({
  unit: fc.constantFrom(
    "'",
    ' ',
    '\t',
    '\\',
    '.',
    'a',
    '\r',
    '\0',
    '\x0b',
    utf8('é'),
    utf8('日'),
    '\xff',
    '\xc3',
  ),
  maxLength: 5,
});
const quotedField = fc
  .string({
    unit: fc.constantFrom("'", ' ', ',', '"', '\n', '\r\n', '\r', '\\.', 'b', utf8('ß'), '\xe9'),
    maxLength: 5,
  })
  .map((text) => `"${text.replaceAll('"', '""')}"`);
const oddName = fc.oneof(
  fc.constantFrom(
    '',
    "''",
    "'",
    "' a '",
    " 'b' ",
    ' b',
    'b ',
    '"\'c\'"',
    "O'Hara",
    "D'Arc",
    '\\.',
    '\\N',
    'null',
    'NULL',
  ),
  fc.constantFrom(
    'd"e',
    '"f"g',
    'h""i',
    utf8('\ufeff'),
    utf8('\u00a0'),
    '\xed\xa0\x80',
    '\xc0\x80',
    utf8('𝄞'),
  ),
  oddCharacters.filter((text) => !text.startsWith('"')),
  quotedField,
);
const plainName = fc.constantFrom(
  "'C1'",
  'C2',
  'vaclav',
  "'M1'",
  utf8('Zoë'),
  "O'Hara",
  "D'Arc",
  "'",
  '#',
  "'O''B'",
);
const plainAmount = fc.constantFrom(
  '4.55',
  '0',
  '-3',
  '+.5',
  '007.50',
  "'12.1'",
  '1.000000000000001',
  '9'.repeat(30),
);
const oddAmount = fc.oneof(
  fc.constantFrom(
    '',
    ' 1',
    '1.',
    '1e2',
    '1.5e-3',
    '5E1',
    '2e100',
    'NaN',
    '-Infinity',
    '0x10',
    '1_000',
    '1 2',
    '--1',
  ),
  fc.constantFrom(
    '"1.25"',
    '" 1.25 "',
    '"1,25"',
    "' 1'",
    "'1",
    '1e29',
    '1e30',
    '1e-15',
    '1e-16',
    '10e-16',
    '0e-15',
  ),
  fc.constantFrom(
    '0.0000000000000010',
    '1' + '0'.repeat(30),
    '00.5e+2',
    '\t7\r',
    '1\0',
    '٣',
    '.',
    'e1',
    '1e',
    '\xb2',
  ),
  oddName,
);
const otherField = fc.oneof(
  plainName,
  fc.constantFrom('', ' x ', '"x, y"', '\0', '"', '\xfe').filter((x) => x !== '"'),
);

const names = ['customer', 'gender', 'merchant', 'amount', 'step', 'zip code'];
const writtenName = (name: string) =>
  fc.constantFrom(name, name.toUpperCase(), `'${name}'`, ` ${name[0]!.toUpperCase()}${name.slice(1)}\t`);
const header = fc
  .tuple(fc.shuffledSubarray(names, { minLength: 4 }), fc.tuple(...names.map(writtenName)))
  .filter(([order]) => names.slice(0, 4).every((name) => order.includes(name)))
  .map(([order, written]) => ({ order, written: order.map((name) => written[names.indexOf(name)]!) }));

const rowOf = (name: fc.Arbitrary<string>, amount: fc.Arbitrary<string>, other: fc.Arbitrary<string>) =>
  fc.record({ customer: name, gender: name, merchant: name, amount, step: other, 'zip code': other });
const plainRow: fc.Arbitrary<Record<string, string>> = rowOf(plainName, plainAmount, plainName);
/** Just one field is odd, so that it decides. */
const oddRow = fc
  .tuple(plainRow, fc.constantFrom(...names), oddName, oddAmount, otherField)
  .map(([row, name, forName, forAmount, forOther]): Record<string, string> => {
    if (name === 'amount') return { ...row, amount: forAmount };
    return { ...row, [name]: name === 'step' || name === 'zip code' ? forOther : forName };
  });
const wildRow: fc.Arbitrary<Record<string, string>> = rowOf(
  oddName,
  fc.oneof(plainAmount, oddAmount),
  otherField,
);

const lineEnd = fc.constantFrom('\n', '\r\n');
const changes = fc.constantFrom('too few', 'too many', 'empty');
const linesOf = (oddRows: number, wildRows: number) =>
  fc.array(
    fc.record({
      row: fc.oneof(
        { arbitrary: plainRow, weight: 6 },
        { arbitrary: oddRow, weight: oddRows },
        { arbitrary: wildRow, weight: wildRows },
      ),
      change: fc.oneof({ arbitrary: fc.constant(''), weight: 9 }, { arbitrary: changes, weight: wildRows }),
      end: lineEnd,
    }),
    { maxLength: 8 },
  );

/** A file, and one like it that differs only in that the names in its header stand in double quotes. */
const files = fc
  .record({
    mark: fc.constantFrom('', '\xef\xbb\xbf'),
    header,
    headerEnd: lineEnd,
    lines: fc.oneof(linesOf(0, 0), linesOf(1, 0), linesOf(2, 1)),
    lastEnd: fc.constantFrom('\n', '\r\n', '', '\r'),
  })
  .map(({ mark, header: { order, written }, headerEnd, lines, lastEnd }) => {
    const ends: string[] = [headerEnd, ...lines.map(({ end }) => end)];
    ends[ends.length - 1] = lines.length === 0 && lastEnd === '\r' ? '' : lastEnd; // part of a name it would be
    const records = lines.map(({ row, change }) => {
      const fields = order.map((name) => row[name]!);
      if (change === 'too few') fields.pop();
      if (change === 'too many') fields.push('x');
      return change === 'empty' ? '' : fields.join(',');
    });
    const build = (first: string) => mark + [first, ...records].map((text, at) => text + ends[at]!).join('');
    return { file: build(written.join(',')), quoted: build(written.map((name) => `"${name}"`).join(',')) };
  });
const blockSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

// eslint-disable-next-line @typescript-eslint/require-await -- a source is an async iterable
async function* blocksOf(file: string, sizes: readonly number[] = [Infinity]): AsyncGenerator<Buffer> {
  const bytes = bytesOf(file);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** All that a way makes of a file, as text; or the name of the error. */
async function outcome(blocks: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of blocks) pieces.push(Buffer.from(piece));
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error;
    return error.name;
  }
  return Buffer.concat(pieces).toString('latin1');
}

describe('stageCsv', () => {
  const database = useDatabase('empty');

  before(() => new SqlFunctions(database().client).openStaging());

  async function stage(file: string, needed = transactionColumns, sizes?: number[]): Promise<Staged> {
    const { client } = database();
    try {
      const way = await stageCsv(client, () => blocksOf(file, sizes), needed);
      await client.query(`select bankpulse.judge_staged_records('a file')`);
      const { rows } = await client.query<string[]>({
        text: 'select customer_id, gender, merchant_id, amount::text from pg_temp.staged_rows order by row_number',
        rowMode: 'array',
      });
      const { rows: rejected } = await client.query<Staged['rejected'][number]>(
        'select line_number::int, line, reason from bankpulse.rejected_rows order by line_number',
      );
      return { way, rows, rejected };
    } finally {
      await client.query('rollback');
    }
  }

  async function refusal(file: string, needed?: NeededColumns): Promise<string> {
    const error: unknown = await stage(file, needed).then(
      () => expect.fail('it was staged'),
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(ContentError);
    return (error as ContentError).message;
  }

  describe('any file', function () {
    this.timeout(60_000);

    it('gives the same rows and the same rejected rows on both ways', async () => {
      const waysTaken = new Set<string>();
      await fc.assert(
        fc.asyncProperty(files, async ({ file, quoted }) => {
          const { way, ...found } = await stage(file);
          waysTaken.add(way);
          expect({ way: 'careful', ...found }).to.deep.equal(await stage(quoted));
        }),
        { numRuns: 200 },
      );
      expect([...waysTaken]).to.have.members(['straight', 'careful']);
    });

    it('accepts the rows that semantics.md accepts, with their exact values, and rejects the others', async () => {
      await fc.assert(
        fc.asyncProperty(files, async ({ file }) => {
          const { rows, rejected } = await stage(file);
          expect({
            rows: rows.map(([customer, gender, merchant, amount]) => [
              customer,
              gender,
              merchant,
              exactAmount(amount!),
            ]),
            rejectedLines: rejected.map(({ line_number }) => line_number),
          }).to.deep.equal(judge(file));
        }),
        { numRuns: 200 },
      );
    });

    it('does not depend on where its bytes are cut into blocks', async () => {
      await fc.assert(
        fc.asyncProperty(files, blockSizes, async ({ file, quoted }, sizes) => {
          const straight = (cut?: number[]) => outcome(plainRows(blocksOf(file, cut), transactionColumns));
          const careful = (cut?: number[]) =>
            outcome(carefulRecords(blocksOf(quoted, cut), transactionColumns));
          expect(await straight(sizes)).to.equal(await straight());
          expect(await careful(sizes)).to.equal(await careful());
        }),
        { numRuns: 500 },
      );
    });
  });

  it('gives the same for every place at which a file can be cut in two', async () => {
    const file = utf8(`\ufeff${HEADER}\r\n'C1','F','M1',1.5\r\n\r\nZoë,M,O'Hara,2\n\n'C3',,'M3',-3`);
    const whole = await outcome(plainRows(blocksOf(file), transactionColumns));
    expect(whole).to.equal(utf8("C1\tF\tM1\t1.5\nZoë\tM\tO'Hara\t2\nC3\t\tM3\t-3\n"));
    for (let at = 1; at < file.length; at++) {
      expect(await outcome(plainRows(blocksOf(file, [at, Infinity]), transactionColumns))).to.equal(whole);
    }
  });

  describe('goes straight', () => {
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
        expect({ way, rejected }).to.deep.equal({ way: 'straight', rejected: [] });
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
      const straight = await stage(
        "Source,Target,Weight,typeTrans,fraud\r\n'C1','M1',4.55,'es',0\r\n",
        importanceColumns,
      );
      const careful = await stage('"Source",Target,Weight\nC1,M1,4.55\n', importanceColumns);
      expect(straight).to.deep.equal({ way: 'straight', rows: [['C1', '', 'M1', '4.55']], rejected: [] });
      expect(careful).to.deep.equal({ ...straight, way: 'careful' });
    });
  });

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
        [8, 'a double quote stands inside a value'],
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

  describe('refuses a file', () => {
    it('that is empty, or has nothing but a byte order mark and empty lines', async () => {
      for (const file of ['', '\xef\xbb\xbf', '\n\r\n\n'])
        expect(await refusal(file)).to.equal('the object is empty');
    });

    it('whose header lacks or repeats a needed column, naming them all', async () => {
      expect(await refusal("customer,'Customer',merchant,amounts\n")).to.equal(
        'the header has column "customer" twice, no column "gender", no column "amount"',
      );
      expect(await refusal(fileOf(), importanceColumns)).to.match(/no column "source".*"target".*"weight"/);
    });

    it('but not for a column twice that nobody needs', async () => {
      expect((await stage(`x,${HEADER},x\n,C,F,M,1,\n`)).rows).to.have.length(1);
    });

    it('with a quote that is never closed, naming the line where its row starts', async () => {
      expect(await refusal(fileOf('C,F,M,1', 'C,"F,M,1', 'C,F,M,1'))).to.match(/line 3 .*never closed/);
      expect(await refusal('customer,"gender,merchant,amount\n')).to.match(/line 1 .*never closed/);
    });

    it('whose header is not UTF-8, or has a double quote inside a name', async () => {
      expect(await refusal(`x\xff,${HEADER}\n`)).to.equal('the header is not UTF-8');
      expect(await refusal(`x"y,${HEADER}\n`)).to.match(/double quote/);
    });

    it('whose lines end with a carriage return alone, which would be one long header', async () => {
      const file = `${HEADER},fraud\rC1,F,M,1,0\rC2,F,M,1,0\r`;
      expect(await refusal(file)).to.match(/lone carriage return/);
    });

    it('with a record of more than 16 MiB, however its bytes come', async () => {
      const file = `${HEADER},x\nC1,F,M,1,${'a'.repeat(17 * 1024 * 1024)}\nC2,F,M,1,b\n`;
      for (const sizes of [undefined, [1 << 20]]) {
        const error: unknown = await stage(file, transactionColumns, sizes).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).to.be.instanceOf(ContentError);
        expect((error as ContentError).message).to.match(/line 2 is longer than 16777216 bytes/);
      }
    });
  });

  it('reads a header with a long run of white space in a moment', async () => {
    // a trimming that looks again at each place takes minutes, and the test's time with them
    const { rows } = await stage(`${HEADER},a${' '.repeat(500_000)}b\nC,F,M,1,\n`);
    expect(rows).to.have.length(1);
  });

  it('leaves the transaction open, and the staging tables empty after it', async () => {
    const { client } = database();
    await stageCsv(client, () => blocksOf(fileOf('C,F,M,1')), transactionColumns);
    const count = async () =>
      (await client.query<{ count: string }>('select count(*) from pg_temp.staged_rows')).rows[0]!.count;
    expect(await count()).to.equal('1');
    await client.query('commit');
    expect(await count()).to.equal('0');
  });

  it('passes on what its source throws', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await
    async function* broken() {
      yield Buffer.from(fileOf('C,F,M,1'));
      throw new Error('the source broke');
    }
    const { client } = database();
    const error: unknown = await stageCsv(client, broken, transactionColumns).catch(
      (thrown: unknown) => thrown,
    );
    await client.query('rollback');
    expect(error).to.be.an('error').with.property('message', 'the source broke');
  });
});
