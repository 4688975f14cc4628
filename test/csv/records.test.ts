import { expect } from 'chai';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { CsvRecordSplitter, MAX_RECORD_BYTES } from '../../src/csv/records.js';
import { ContentError } from '../../src/errors.js';

interface Found {
  text: string;
  line: number;
}

/** The records of `bytes`, pushed in blocks of these sizes, taken in turn. */
function split(bytes: Buffer, sizes: readonly number[] = [Infinity]): Found[] {
  const splitter = new CsvRecordSplitter();
  const found: Found[] = [];
  const collect = (records: ReturnType<CsvRecordSplitter['push']>) => {
    for (const { block, start, end, line } of records)
      found.push({ text: block.toString('utf8', start, end), line });
  };
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    collect(splitter.push(bytes.subarray(at, at + size)));
    at += size;
  }
  collect(splitter.end());
  return found;
}

const splitText = (text: string) => split(Buffer.from(text)).map((found) => found.text);

const csvOptions = {
  bom: true,
  record_delimiter: ['\n', '\r\n'],
  relax_column_count: true,
  relax_quotes: true,
  skip_empty_lines: true,
};

const unquoted = fc
  .string({ unit: fc.constantFrom('a', 'é', "'", ' ', '"', '\r'), maxLength: 6 })
  .filter((field) => !field.startsWith('"'));
const quoted = fc
  .string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r'), maxLength: 8 })
  .map((field) => `"${field.replaceAll('"', '""')}"`);
const record = fc
  .array(fc.oneof(unquoted, quoted), { minLength: 1, maxLength: 4 })
  .map((fields) => fields.join(','))
  .filter((text) => !text.endsWith('\r')); // would belong to the line end
const file = fc.record({
  mark: fc.constantFrom('', '\ufeff'),
  lines: fc.array(fc.record({ text: record, end: fc.constantFrom('\n', '\r\n') }), { maxLength: 12 }),
  last: record,
});
const blockSizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 });

describe('CsvRecordSplitter', () => {
  it('finds the records of any file, and their lines, however it is cut into blocks', () => {
    fc.assert(
      fc.property(file, blockSizes, ({ mark, lines, last }, sizes) => {
        const expected: Found[] = [];
        let line = 1;
        for (const { text } of [...lines, { text: last }]) {
          if (text !== '') expected.push({ text, line });
          line += 1 + text.split('\n').length - 1;
        }
        const bytes = Buffer.from(mark + lines.map(({ text, end }) => text + end).join('') + last);
        expect(split(bytes, sizes)).to.deep.equal(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('finds the same records as csv-parse', () => {
    fc.assert(
      fc.property(file, blockSizes, ({ mark, lines, last }, sizes) => {
        const bytes = Buffer.from(mark + lines.map(({ text, end }) => text + end).join('') + last);
        const records = split(bytes, sizes).map(({ text }) => parse(text, csvOptions)[0]);
        expect(records).to.deep.equal(parse(bytes, csvOptions));
      }),
      { numRuns: 500 },
    );
  });

  it('gives the same for every place at which a file can be cut in two', () => {
    const bytes = Buffer.from('\ufeff"a""b",c\r\n\r\n1,"x\r\ny\n"\n\nlone\rCR,"q"\r\nlast,"r"');
    const whole = split(bytes);
    expect(whole).to.deep.equal([
      { text: '"a""b",c', line: 1 },
      { text: '1,"x\r\ny\n"', line: 3 },
      { text: 'lone\rCR,"q"', line: 7 },
      { text: 'last,"r"', line: 8 },
    ]);
    for (let at = 1; at < bytes.length; at++) expect(split(bytes, [at, Infinity])).to.deep.equal(whole);
  });

  it('opens a quote only at the start of a field', () => {
    expect(splitText('a"b,c\nd,e"\nf')).to.deep.equal(['a"b,c', 'd,e"', 'f']);
    expect(splitText('"a"b"c\nd')).to.deep.equal(['"a"b"c', 'd']);
    expect(splitText('a,"b\nc"\nd')).to.deep.equal(['a,"b\nc"', 'd']);
  });

  it('skips byte order marks before records, wherever they are cut, and takes no part of one for one', () => {
    const bytes = Buffer.from('\ufeff"a\nb"\n\ufeffc\n\ufeff\n\ufeff\ufeff"d\ne"\r\nf,\ufeffg\n\ufeff');
    const whole = split(bytes);
    expect(whole).to.deep.equal([
      { text: '"a\nb"', line: 1 },
      { text: 'c', line: 3 },
      { text: '"d\ne"', line: 5 },
      { text: 'f,\ufeffg', line: 7 },
    ]);
    for (let size = 1; size < bytes.length; size++) expect(split(bytes, [size])).to.deep.equal(whole);
    expect(split(Buffer.from([0xef, 0xbb])).length).to.equal(1);
    expect(splitText('\ufeff')).to.deep.equal([]);
    expect(splitText('')).to.deep.equal([]);
    expect(splitText('a')).to.deep.equal(['a']);
  });

  it('leaves a carriage return that is no part of a line end where it is', () => {
    expect(splitText('a\r\r\nb\r')).to.deep.equal(['a\r', 'b\r']);
  });

  it('names the line of a record whose quote is never closed', () => {
    expect(() => splitText('a\nb,"c\nd\n')).to.throw(
      ContentError,
      'the record that starts on line 2 opens a quote',
    );
  });

  it('gives up a record that has become too long, before it has read all of it', () => {
    const splitter = new CsvRecordSplitter();
    const block = Buffer.alloc(1024 * 1024, 'x\n');
    expect([...splitter.push(Buffer.from('a\n"'))].length).to.equal(1);
    const pushMore = () => {
      for (let bytes = 0; bytes <= MAX_RECORD_BYTES; bytes += block.length) [...splitter.push(block)];
    };
    expect(pushMore).to.throw(ContentError, `line 2 is longer than ${MAX_RECORD_BYTES} bytes`);
  });
});
