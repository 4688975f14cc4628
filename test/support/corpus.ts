import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { HEADER, MARK, bytesOf, fileOf, utf8 } from './bytes.js';

/** Bytes that a bank may send one day, and what is to become of them. */
export interface Specimen {
  name: string;
  /** A "binary" string. */
  file: string;
  expected:
    { rows: number | string[][]; rejected?: [line: number, reason: string][] } | { quarantined: string };
  /** Named .csv.gz. */
  isPacked?: boolean;
  /** MAX_CHUNK_BYTES; 1 GiB if not given. */
  maxBytes?: number;
}

const GOOD = ['C1', 'F', 'M1', '1'];
const good = 'C1,F,M1,1';
const rows = (...list: string[][]) => ({ rows: list });
const withNote = (...lines: string[]) => [`${HEADER},note`, ...lines].map((line) => `${line}\n`).join('');

const NUMBER = 'the amount is not a valid number';
const INSIDE = 'a double quote stands inside a value';
const BEHIND = 'a value goes on behind its closing double quote';
const NO_COLUMNS = `the header has ${HEADER.split(',')
  .map((name) => `no column "${name}"`)
  .join(', ')}`;
const NUL_BYTES = ' (it holds NUL bytes: UTF-16, or no text at all?)';
const openQuote = (line: number) => ({
  quarantined: `the record that starts on line ${line} opens a quote (") that is never closed`,
});
const tooLarge = (bytes: number) => ({
  quarantined: `the object is larger than ${bytes} bytes (MAX_CHUNK_BYTES)`,
});

const nul: Specimen[] = [
  {
    name: 'a NUL byte in each needed column',
    file: fileOf('C\0,F,M,1', 'C,\0,M,1', 'C,F,M\0,1', 'C,F,M,1\0', good),
    expected: {
      ...rows(GOOD),
      rejected: [2, 3, 4, 5].map((line) => [line, 'a value holds a NUL byte'] as [number, string]),
    },
  },
  { name: 'a NUL byte in a column nobody needs', file: withNote(`${good},a\0b`), expected: rows(GOOD) },
  {
    name: 'a NUL byte in the name of a needed column',
    file: fileOf(good).replace('customer', 'custo\0mer'),
    expected: { quarantined: `the header has no column "customer"${NUL_BYTES}` },
  },
  {
    name: 'a NUL byte in the name of another column',
    file: withNote(`${good},x`).replace('note', 'n\0te'),
    expected: rows(GOOD),
  },
  {
    name: 'NUL bytes behind the last row',
    file: fileOf(good) + '\0'.repeat(512),
    expected: { ...rows(GOOD), rejected: [[3, 'the row has 1 fields, the header 4']] },
  },
];

const notUtf8: Specimen[] = Object.entries({
  'an overlong slash': '\xc0\xaf',
  'an overlong NUL': '\xc0\x80',
  'an overlong form of three bytes': '\xe0\x80\xaf',
  'a surrogate': '\xed\xa0\x80',
  'a pair of surrogates': '\xed\xa0\x80\xed\xb0\x80',
  'a character beyond U+10FFFF': '\xf4\x90\x80\x80',
  'a lone continuation byte': '\x80',
  'a byte that never occurs': '\xfe',
  'a character cut short by a comma': '\xe2\x82',
  'Latin-1': 'Zo\xeb',
}).flatMap(([name, bytes]) => [
  {
    name: `${name} in a needed value`,
    file: `${fileOf(good)}${bytes},F,M,1\n`,
    expected: { ...rows(GOOD), rejected: [[3, 'the row is not UTF-8']] },
  },
  {
    name: `${name} in a column nobody needs`,
    file: withNote(`${good},x`, `C2,F,M2,2,${bytes}`),
    expected: { ...rows(GOOD), rejected: [[3, 'the row is not UTF-8']] },
  },
  {
    name: `${name} in the header`,
    file: withNote(`${good},x`).replace('note', bytes),
    expected: { quarantined: 'the header is not UTF-8' },
  },
]);

const otherFormat = (format: string) =>
  `the file is ${format}: it must be CSV in UTF-8, packed with gzip once or not at all`;
const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const encodings: Specimen[] = [
  {
    name: 'a character cut short by the end of the file',
    file: `${HEADER},note\n${good},\nC2,F,M2,2,\xe2\x82`,
    expected: { ...rows(GOOD), rejected: [[3, 'the row is not UTF-8']] },
  },
  {
    name: 'UTF-16, little-endian, with its mark',
    file: utf16(`\ufeff${fileOf(good)}`).toString('latin1'),
    expected: { quarantined: otherFormat('UTF-16') },
  },
  {
    name: 'UTF-16, big-endian, with its mark',
    file: utf16(`\ufeff${fileOf(good)}`)
      .swap16()
      .toString('latin1'),
    expected: { quarantined: otherFormat('UTF-16') },
  },
  {
    name: 'UTF-16, little-endian, without mark',
    file: utf16(fileOf(good)).toString('latin1'),
    expected: { quarantined: NO_COLUMNS + NUL_BYTES },
  },
  {
    name: 'UTF-16, big-endian, without mark',
    file: utf16(fileOf(good)).swap16().toString('latin1'),
    expected: { quarantined: NO_COLUMNS + NUL_BYTES },
  },
  { name: 'a UTF-8 byte order mark', file: MARK + fileOf(good), expected: rows(GOOD) },
  {
    name: 'a UTF-8 byte order mark before the header, rows and empty lines, as in files that were joined',
    file: `${MARK}${MARK}${fileOf()}${MARK}${good}\n${MARK}\r\n${MARK}${MARK}"C1",F,M1,1\n${MARK}`,
    expected: rows(GOOD, GOOD),
  },
  {
    name: 'a UTF-8 byte order mark elsewhere, which belongs to a value',
    file: fileOf('C1,\ufeffF,M1,1', 'C1,F,M1\ufeff,1', '"\ufeffC1",F,M1,1'),
    expected: rows(['C1', '\ufeffF', 'M1', '1'], ['C1', 'F', 'M1\ufeff', '1'], ['\ufeffC1', 'F', 'M1', '1']),
  },
  {
    name: 'half a UTF-8 byte order mark before a row',
    file: `${fileOf(good)}\xef\xbbC1,F,M1,1\n\xef`,
    expected: {
      ...rows(GOOD),
      rejected: [
        [3, 'the row is not UTF-8'],
        [4, 'the row is not UTF-8'],
      ],
    },
  },
];

const quotes: Specimen[] = [
  { name: 'a double quote open in the last row', file: fileOf(good, 'C2,F,M2,"2'), expected: openQuote(3) },
  { name: 'a double quote open in an earlier row', file: fileOf('"C2,F,M2,2', good), expected: openQuote(2) },
  {
    name: 'a double quote open in the header',
    file: fileOf(good).replace('customer', '"customer'),
    expected: openQuote(1),
  },
  { name: 'a single quote open', file: fileOf("'C1,F,M1',1"), expected: rows(["'C1", 'F', "M1'", '1']) },
  {
    name: 'a single quote open in the header',
    file: fileOf(good).replace('customer', "'customer"),
    expected: { quarantined: 'the header has no column "customer"' },
  },
  {
    name: 'double quotes where they may not stand',
    file: fileOf('C"1,F,M1,1', ' "C1",F,M1,1', '"C"1,F,M1,1', '"C1" ,F,M1,1', '"C""1",F,"M""1",1'),
    expected: {
      ...rows(['C"1', 'F', 'M"1', '1']),
      rejected: [
        [2, INSIDE],
        [3, INSIDE],
        [4, BEHIND],
        [5, BEHIND],
      ],
    },
  },
  {
    name: 'a double quote inside a name of the header',
    file: fileOf(good).replace('gender', 'gen"der'),
    expected: { quarantined: `in the header ${INSIDE}` },
  },
  {
    name: 'double quotes where they may not stand, in names of the header that nobody needs',
    file: `step,"no""te"x,customer,a"b,gender,merchant,amount," c"d\n1,2,${good.replace(',F', ',3,F')},4\n`,
    expected: rows(GOOD),
  },
  {
    name: 'line breaks inside double quotes, which count as lines',
    file: fileOf('"C\n1",F,"M\r\n\r\n1",1', '"C\r2",F,M2,2', 'x'),
    expected: {
      ...rows(['C\n1', 'F', 'M\r\n\r\n1', '1'], ['C\r2', 'F', 'M2', '2']),
      rejected: [[7, 'the row has 1 fields, the header 4']],
    },
  },
  {
    name: 'a cut between the CR and the LF behind a quoted value',
    file: `${fileOf(good)}C2,F,M2,"2"\r`,
    expected: { ...rows(GOOD), rejected: [[3, BEHIND]] },
  },
];

const lineEnds: Specimen[] = [
  {
    name: 'LF and CRLF mixed',
    file: `${HEADER}\r\n${good}\n${good}\r\n${good}`,
    expected: rows(GOOD, GOOD, GOOD),
  },
  {
    name: 'a cut between CR and LF',
    file: `${fileOf(good)}C2,F,M2,2\r`,
    expected: rows(GOOD, ['C2', 'F', 'M2', '2']),
  },
  { name: 'two CRs before an LF', file: `${HEADER}\r\r\n${good}\r\r\n`, expected: rows(GOOD) },
  {
    name: 'lone CRs as line ends',
    file: `${HEADER}\r${good}\r${good}\r`,
    expected: {
      quarantined: 'the header holds a lone carriage return: lines must end with LF or CRLF',
    },
  },
  {
    name: 'lone CRs as line ends below the header',
    file: `${HEADER}\n${good}\r${good}\r${good}\n`,
    expected: { rows: [], rejected: [[2, 'the row has 10 fields, the header 4']] },
  },
  { name: 'a lone CR inside a name', file: fileOf('C\r1,F,M1,1'), expected: rows(['C\r1', 'F', 'M1', '1']) },
  { name: 'empty lines everywhere', file: `\n\r\n${HEADER}\n\n${good}\n\r\n\n\n`, expected: rows(GOOD) },
  { name: 'no line end at the end', file: fileOf(good).trimEnd(), expected: rows(GOOD) },
  {
    name: 'lines of white space, which are rows',
    file: fileOf(good, '  ', '\t'),
    expected: {
      ...rows(GOOD),
      rejected: [
        [3, 'the row has 1 fields, the header 4'],
        [4, 'the row has 1 fields, the header 4'],
      ],
    },
  },
  { name: 'nothing', file: '', expected: { quarantined: 'the object is empty' } },
  { name: 'empty lines alone', file: `${MARK}\n\r\n\n`, expected: { quarantined: 'the object is empty' } },
  { name: 'a header alone', file: fileOf(), expected: rows() },
];

const wideHeader = `${HEADER},${Array.from({ length: 9996 }, (_, at) => `c${at}`).join(',')}`;
const shapes: Specimen[] = [
  {
    name: 'a line of 10 MB in a column nobody needs',
    file: withNote(`${good},${'x'.repeat(10_000_000)}`, `${good},`),
    expected: rows(GOOD, GOOD),
  },
  {
    name: 'a line of 10 MB in a name',
    file: fileOf(`${'C'.repeat(10_000_000)},F,M1,1`, good),
    expected: { ...rows(GOOD), rejected: [[2, 'the customer is longer than 1,000 bytes']] },
  },
  {
    name: 'a row longer than 16 MiB',
    file: withNote(`${good},${'x'.repeat(17 << 20)}`),
    expected: {
      quarantined:
        'the record that starts on line 2 is longer than 16777216 bytes: is a quote (") in it never closed?',
    },
  },
  {
    name: 'names of 100,000 characters',
    file: fileOf(
      `${'C'.repeat(100_000)},F,M1,1`,
      `C1,F,${'é'.repeat(100_000)},1`,
      `C1,F,M1,${'1'.repeat(100_000)}`,
      `C1,F,${'é'.repeat(501)},1`,
      `C1,${'F'.repeat(100_000)},M1,1`,
      `${'C'.repeat(1000)},F,${'é'.repeat(500)},1`,
    ),
    expected: {
      rows: 2,
      rejected: [
        [2, 'the customer is longer than 1,000 bytes'],
        [3, 'the merchant is longer than 1,000 bytes'],
        [4, NUMBER],
        [5, 'the merchant is longer than 1,000 bytes'],
      ],
    },
  },
  {
    name: '10,000 columns',
    file: `${wideHeader}\n${good}${','.repeat(9996)}\n${good}${',"x"'.repeat(9996)}\n`,
    expected: rows(GOOD, GOOD),
  },
  {
    name: '10,000 columns, with a value less, one more, and only four',
    file: `${wideHeader}\n${good}${','.repeat(9995)}\n${good}${','.repeat(9997)}\n${good}\n`,
    expected: {
      rows: [],
      rejected: [
        [2, 'the row has 9999 fields, the header 10000'],
        [3, 'the row has 10001 fields, the header 10000'],
        [4, 'the row has 4 fields, the header 10000'],
      ],
    },
  },
  {
    name: '10,000 values below a header of four',
    file: fileOf(good, good + ',x'.repeat(9996)),
    expected: { ...rows(GOOD), rejected: [[3, 'the row has 10000 fields, the header 4']] },
  },
  {
    name: 'the header twice',
    file: fileOf(HEADER, good),
    expected: { ...rows(GOOD), rejected: [[2, NUMBER]] },
  },
  {
    name: 'a needed column twice',
    file: `${HEADER},Customer\n${good},C2\n`,
    expected: { quarantined: 'the header has column "customer" twice' },
  },
  { name: 'other columns twice', file: `x,${HEADER},x,x\n,${good},,\n`, expected: rows(GOOD) },
  {
    name: 'white space around everything',
    file: `${HEADER.replaceAll(',', ' ,\t')} \n C1 ,\tF\t,\v'M1'\f, 1 \n`,
    expected: rows(GOOD),
  },
];

const noise = Array.from({ length: 2000 }, (_, at) =>
  createHash('sha256').update(String(at)).digest().toString('latin1'),
).join('');
const binary: Specimen[] = [
  { name: 'random bytes', file: noise, expected: { quarantined: 'the header is not UTF-8' } },
  {
    name: 'a PNG picture',
    file: `\x89PNG\r\n\x1a\n\0\0\0\rIHDR${noise}`,
    expected: { quarantined: 'the header is not UTF-8' },
  },
  {
    name: 'an ELF program',
    file: `\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0\x01\0\0\0\n${noise}`,
    expected: { quarantined: NO_COLUMNS + NUL_BYTES },
  },
  {
    name: 'gzip data that is not named so',
    file: gzipSync(fileOf(good)).toString('latin1'),
    expected: rows(GOOD),
  },
];

const amounts: Record<string, string | null> = {
  '5': '5',
  '+5': '5',
  '-0': '0',
  '.5': '0.5',
  '-.5': '-0.5',
  '0012.50': '12.50',
  '1e5': '100000',
  '1.5e-3': '0.0015',
  ' 5 ': '5',
  "'5'": '5',
  '"5"': '5',
  [`${'9'.repeat(30)}.${'9'.repeat(15)}`]: `${'9'.repeat(30)}.${'9'.repeat(15)}`,
  '1E5': '100000',
  '1E005': null,
  '5.': null,
  '.': null,
  '': null,
  '1e400': null,
  '1e-400': null,
  '1e30': null,
  [`1e${'9'.repeat(40)}`]: null,
  ['9'.repeat(40)]: null,
  [`0.${'0'.repeat(39)}1`]: null,
  '0x10': null,
  '0b1': null,
  '0o7': null,
  '1_000': null,
  '1 000': null,
  "1'000": null,
  '"1,000"': null,
  '"1,5"': null,
  '١٢': null,
  '５': null,
  '−5': null,
  "' 5 '": null,
  '--5': null,
  '+-5': null,
  NaN: null,
  Infinity: null,
  '-inf': null,
  null: null,
  '\\N': null,
  $5: null,
  '5€': null,
  "1'); drop table bankpulse.chunks; --": null,
};
const numbers: Specimen[] = [
  {
    name: 'amounts of all kinds',
    file: fileOf(...Object.keys(amounts).map((amount) => `C,F,M,${amount}`)),
    expected: {
      rows: Object.values(amounts)
        .filter((amount) => amount !== null)
        .map((amount) => ['C', 'F', 'M', amount]),
      rejected: Object.values(amounts).flatMap((amount, at): [number, string][] =>
        amount === null ? [[at + 2, NUMBER]] : [],
      ),
    },
  },
  {
    name: 'amounts that go the plain way',
    file: fileOf('C,F,M,-0', 'C,F,M,+.50', `C,F,M,${'9'.repeat(30)}`),
    expected: rows(['C', 'F', 'M', '0'], ['C', 'F', 'M', '0.50'], ['C', 'F', 'M', '9'.repeat(30)]),
  },
];

const odd = [
  `'; drop table bankpulse.chunks; --`,
  `Robert'); delete from bankpulse.detections; --`,
  '$1',
  '$$',
  '%s%n',
  '${PATH}',
  '`id`',
  '$(id)',
  'null',
  'default',
  '\\N',
  '\\.',
  '\\',
  '\\x41',
  '\\n',
  '../../../etc/passwd',
  '/dev/zero',
  'C:\\con',
  '=1+1',
  '@x',
  '<script>',
  'a;b|c&d',
  '\x1b[31m',
  '\u202eabc',
  'C\ufeff',
  '\u{10ffff}',
];
const names: Specimen[] = [
  {
    name: 'values that look like SQL, COPY, paths, formulas and terminals',
    file: fileOf(...odd.map((value) => `${value},${value},${value},1`)),
    expected: rows(...odd.map((value) => [value, value, value, '1'])),
  },
  {
    name: "values that look like SQL, the plain way's",
    file: fileOf(`'; drop table x; --,F,$1,1`, '../../x,F,=1+1,1'),
    expected: rows([`'; drop table x; --`, 'F', '$1', '1'], ['../../x', 'F', '=1+1', '1']),
  },
  {
    name: "COPY's end mark alone on a line",
    file: fileOf(good, '\\.', good),
    expected: { ...rows(GOOD, GOOD), rejected: [[3, 'the row has 1 fields, the header 4']] },
  },
  {
    name: "COPY's end mark alone on a line inside double quotes",
    file: fileOf('"C\n\\.\n1",F,M1,1', good),
    expected: rows(['C\n\\.\n1', 'F', 'M1', '1'], GOOD),
  },
  {
    name: 'nothing where a name should be',
    file: fileOf(',F,M,1', "'',F,M,1", '" ",F,M,1', "C,F,' ',1", 'C,F,,1', 'C,,M,1'),
    expected: {
      ...rows(['C', 'F', ' ', '1'], ['C', '', 'M', '1']),
      rejected: [
        [2, 'the customer is empty'],
        [3, 'the customer is empty'],
        [4, 'the customer is empty'],
        [6, 'the merchant is empty'],
      ],
    },
  },
];

const gzip = (...members: string[]) =>
  Buffer.concat(members.map((member) => gzipSync(bytesOf(member)))).toString('latin1');
const [first, second] = [gzip(fileOf(good)), gzip('C2,F,M2,2\n')];
const TWO = rows(GOOD, ['C2', 'F', 'M2', '2']);
const broken = (what: string) => ({ quarantined: `the gzip data is broken: ${what}` });
const flipped = (file: string, fromEnd: number) => {
  const bytes = bytesOf(file);
  bytes[bytes.length - fromEnd]! ^= 1;
  return bytes.toString('latin1');
};
/** 1 GiB in some 16 or 40 KiB. */
const bomb = (content: string) => gzip(content.repeat(Math.ceil((1 << 24) / content.length))).repeat(64);
const packed: Specimen[] = [
  { name: 'gzip', file: first, expected: rows(GOOD) },
  { name: 'gzip in two members', file: first + second, expected: TWO },
  { name: 'gzip with zeros behind it', file: first + second + '\0'.repeat(1000), expected: TWO },
  { name: 'gzip with zeros between its members', file: `${first}\0\0\0${second}\0`, expected: TWO },
  { name: 'gzip cut short', file: first.slice(0, -9), expected: broken('unexpected end of file') },
  {
    name: 'gzip cut short in its trailer',
    file: first.slice(0, -1),
    expected: broken('unexpected end of file'),
  },
  {
    name: 'gzip cut short in its header',
    file: first.slice(0, 5),
    expected: broken('unexpected end of file'),
  },
  {
    name: 'gzip with its second member cut short',
    file: first + second.slice(0, -1),
    expected: broken('unexpected end of file'),
  },
  {
    name: 'gzip with garbage behind it',
    file: `${first}garbage`,
    expected: broken('incorrect header check'),
  },
  {
    name: 'gzip with garbage behind zeros',
    file: `${first}\0\0garbage`,
    expected: broken('incorrect header check'),
  },
  { name: 'gzip with a wrong checksum', file: flipped(first, 8), expected: broken('incorrect data check') },
  { name: 'gzip with a wrong length', file: flipped(first, 1), expected: broken('incorrect length check') },
  { name: 'CSV that is named .gz', file: fileOf(good), expected: rows(GOOD) },
  { name: 'gzip of gzip', file: gzip(first), expected: { quarantined: otherFormat('gzip within gzip') } },
  { name: 'gzip of nothing', file: gzip(''), expected: { quarantined: 'the object is empty' } },
  { name: 'an empty object named .gz', file: '', expected: { quarantined: 'the object is empty' } },
  { name: 'a gzip bomb of NUL bytes', file: bomb('\0'), maxBytes: 1 << 23, expected: tooLarge(1 << 23) },
  {
    name: 'a gzip bomb of rows',
    file: gzip(fileOf()) + bomb(`${good}\n`),
    maxBytes: 1 << 21,
    expected: tooLarge(1 << 21),
  },
  {
    name: 'a gzip bomb of one line',
    file: bomb('x'),
    expected: {
      quarantined:
        'the record that starts on line 1 is longer than 16777216 bytes: is a quote (") in it never closed?',
    },
  },
].map((specimen) => ({ ...specimen, isPacked: true }));

const begins = (first: string, quarantined: string, header = HEADER): Specimen => ({
  name: `a file that begins with ${JSON.stringify(first)}`,
  file: `${utf8(first)}\n${header}\n${good}\n`,
  expected: { quarantined },
});
const delimitedBy = (delimiter: string, name: string): Specimen[] =>
  [
    HEADER,
    `step,${HEADER}`,
    '"customer","gender","merchant","amount"',
    " 'customer' , Gender ,merchant,amount",
  ].map((header) => ({
    name: `columns separated by ${name}, below ${header}`,
    file: `${header}\n${good}\n`.replaceAll(',', delimiter),
    expected: { quarantined: `the header is delimited by ${name}: columns must be separated by commas` },
  }));
const COMMENT = 'the file begins with a comment ("#"): the header must be the first line, without "#"';
const BLANK = 'the file begins with a line without names: the header must be the first line';
const notCommas: Specimen[] = [
  ...delimitedBy(';', "';'"),
  ...delimitedBy('\t', 'tabs'),
  ...delimitedBy('|', "'|'"),
  {
    name: 'columns separated by semicolons, one of them missing',
    file: 'customer;gender;merchant\nC1;F;M1\n',
    expected: { quarantined: "the header is delimited by ';': columns must be separated by commas" },
  },
  begins('sep=,', 'the file begins with "sep=," instead of the header: delete this line'),
  begins('"sep=,"', 'the file begins with "sep=," instead of the header: delete this line'),
  begins(
    'sep=;',
    `the file begins with "sep=;" instead of the header: delete this line, and separate columns by commas instead of ';'`,
  ),
  begins(
    'SEP=\t',
    'the file begins with "sep=\t" instead of the header: delete this line, and separate columns by commas instead of tabs',
  ),
  begins('# exported 2026-11-28', COMMENT),
  begins(`#${HEADER}`, COMMENT),
  begins('  ', BLANK),
  begins(',,,', BLANK),
  { name: 'a column of the name #', file: `#,${HEADER}\n1,${good}\n`, expected: rows(GOOD) },
  { name: 'semicolons in a value', file: fileOf('a;b,F,c;d,1'), expected: rows(['a;b', 'F', 'c;d', '1']) },
];

export const corpus: Record<string, Specimen[]> = {
  'NUL bytes': nul,
  'bytes that are not UTF-8': notUtf8,
  encodings,
  quotes,
  'line ends': lineEnds,
  shapes,
  binary,
  numbers,
  names,
  'other delimiters and first lines': notCommas,
  gzip: packed,
};

/** A little of everything that may be cut in two. */
export const small = `${MARK}customer,"gender",merchant,amount,note\r\n'C1','F',"M\r\n1",1.5,${utf8('é')}\r\n\nC2,M,M"2,2,"a ""b"""\r\n"C3",,M3,.5,"z"\r\n`;
