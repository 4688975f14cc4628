import fc from 'fast-check';
import { MARK, utf8 } from './bytes.js';

// Files of all shapes, as "binary" strings.

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
    '.5E+2',
    '1E-15',
    '1E-016',
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
      mark: fc.oneof(
        { arbitrary: fc.constant(''), weight: 9 },
        { arbitrary: fc.constant(MARK), weight: wildRows },
      ),
      end: lineEnd,
    }),
    { maxLength: 8 },
  );

/** A file, and one like it that differs only in that the names in its header stand in double quotes. */
export const files = fc
  .record({
    mark: fc.constantFrom('', MARK),
    header,
    headerEnd: lineEnd,
    lines: fc.oneof(linesOf(0, 0), linesOf(1, 0), linesOf(2, 1)),
    lastEnd: fc.constantFrom('\n', '\r\n', '', '\r'),
  })
  .map(({ mark, header: { order, written }, headerEnd, lines, lastEnd }) => {
    const ends: string[] = [headerEnd, ...lines.map(({ end }) => end)];
    ends[ends.length - 1] = lines.length === 0 && lastEnd === '\r' ? '' : lastEnd; // part of a name it would be
    const records = lines.map(({ row, change, mark }) => {
      const fields = order.map((name) => row[name]!);
      if (change === 'too few') fields.pop();
      if (change === 'too many') fields.push('x');
      return mark + (change === 'empty' ? '' : fields.join(','));
    });
    const build = (first: string) => mark + [first, ...records].map((text, at) => text + ends[at]!).join('');
    return { file: build(written.join(',')), quoted: build(written.map((name) => `"${name}"`).join(',')) };
  });
export const blockSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
