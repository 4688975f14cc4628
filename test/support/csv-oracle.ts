import { parse } from 'csv-parse/sync';
import { formatOf } from '../../src/csv/formats.js';
import { bytesOf, MARK } from './bytes.js';

// How a file is read and which of its rows are accepted, stated a second time: a plain function of a file in memory.

/** What is to become of a file: its rows with exact amounts, and why others are rejected; or why all of it is. */
export type Verdict =
  { rows: (string | bigint)[][]; rejected: [line: number, reason: string][] } | { refused: string };

/**
 * A record and its line end. A quote opens a field only at its start; what it opens may go over several lines, and is
 * closed by the first quote that is not doubled.
 */
const FIELD = String.raw`(?:"(?:[^"]|"")*"(?!")[^,\n]*|(?!")[^,\n]*)`;
const RECORD = new RegExp(String.raw`(${FIELD}(?:,${FIELD})*)(\n|$)`, 'y');
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NEEDED = ['customer', 'gender', 'merchant', 'amount'];

/** The records that are not empty, with their physical lines. The last has no text if it opens a quote for good. */
export function recordsOf(file: string): { line: number; text?: string }[] {
  const records: { line: number; text?: string }[] = [];
  const behindMarks = (at: number): number =>
    file.startsWith(MARK, at) ? behindMarks(at + MARK.length) : at;
  for (let line = 1, at = behindMarks(0); at < file.length; at = behindMarks(RECORD.lastIndex)) {
    RECORD.lastIndex = at;
    const match = RECORD.exec(file);
    if (!match) return [...records, { line }];
    const [whole, text = '', end] = match;
    const record = end === '\n' ? text.replace(/\r$/, '') : text;
    if (record !== '') records.push({ line, text: record });
    line += whole.split('\n').length - 1;
  }
  return records;
}

/** The fields of a record, or what is wrong with it. */
function fieldsOf(binary: string): string[] | string {
  let text: string;
  try {
    text = strictUtf8.decode(bytesOf(binary));
  } catch {
    return 'the row is not UTF-8';
  }
  try {
    return parse(text, { record_delimiter: '\n', relax_column_count: true })[0] ?? [];
  } catch {
    // of the first field that is wrong; a right one is quoted throughout or has no quotes
    const wrong = /^(?:(?:"(?:[^"]|"")*"|[^",]*),)*(.)/su.exec(text)?.[1];
    return wrong === '"'
      ? 'a value goes on behind its closing double quote'
      : 'a double quote stands inside a value';
  }
}

const utf8Of = (binary: string) => bytesOf(binary).toString();

export const cleaned = (field: string) =>
  field.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '').replace(/^'([^]*)'$/, '$1');

/** In units of 10^-15; undefined if it is no valid amount. */
export function exactAmount(value: string): bigint | undefined {
  const match = /^([+-]?)(?:(\d+)(?:\.(\d+))?|\.(\d+))(?:e([+-]?\d{1,2}))?$/i.exec(value);
  if (!match) return undefined;
  const [, sign, whole = '', fraction = match[4] ?? '', , exponent = '0'] = match;
  const scale = fraction.length - Number(exponent);
  if (scale > 15) return undefined;
  const size = BigInt(whole + fraction) * 10n ** BigInt(15 - scale);
  return size >= 10n ** 45n ? undefined : sign === '-' ? -size : size;
}

/** The names of a header; those in broken quotes stand there as they are. */
function namesOf(header: string): string[] | string {
  const names = fieldsOf(header);
  if (typeof names !== 'string' || names === 'the row is not UTF-8') return names;
  return [...`,${utf8Of(header)}`.matchAll(new RegExp(`,(${FIELD})`, 'g'))].map(([, field = '']) => {
    const name = fieldsOf(Buffer.from(field).toString('latin1'));
    return typeof name === 'string' ? field : (name[0] ?? '');
  });
}

/** What a line without the columns looks like, if not like a header. */
function lookOf(line: string): string | undefined {
  const sep = /^"?sep=(.)/i.exec(line)?.[1];
  const nameOf = (delimiter: string) =>
    ({ '\t': 'tabs', ' ': 'spaces', '\x01': 'the character U+0001' })[delimiter] ?? `'${delimiter}'`;
  if (sep === ',') return 'the file begins with "sep=," instead of the header: delete this line';
  if (sep !== undefined)
    return `the file begins with "sep=${sep}" instead of the header: delete this line, and separate columns by commas instead of ${nameOf(sep)}`;
  if (/^["']?#/.test(line))
    return 'the file begins with a comment ("#"): the header must be the first line, without "#"';
  if (/^[\s,"']*$/.test(line))
    return 'the file begins with a line without names: the header must be the first line';
  const found = [',', ...';\t|:^~ \x01'].map((delimiter) => {
    const names = line
      .split(delimiter)
      .map((name) => cleaned(name.trim().replace(/^"([^]*)"$/, '$1')).toLowerCase());
    return { delimiter, count: NEEDED.filter((name) => names.includes(name)).length };
  });
  const other = found.slice(1).find(({ count }) => count > 1 && count > found[0]!.count);
  return (
    other && `the header is delimited by ${nameOf(other.delimiter)}: columns must be separated by commas`
  );
}

/** The formats are those of the program: what is checked here is when they are named. */
function formatFault(header: string): string | undefined {
  const format = formatOf(Buffer.from(header, 'latin1'));
  return format && `the file is ${format}: it must be CSV in UTF-8, packed with gzip once or not at all`;
}

function headerFault(
  names: readonly string[] | string,
  fields: readonly string[] | string,
  line: string,
  format: string | undefined,
): string | undefined {
  if (typeof names === 'string') return format ?? 'the header is not UTF-8';
  if (names.some((name) => /\r(?!\n|$)/.test(name))) {
    return 'the header holds a lone carriage return: lines must end with LF or CRLF';
  }
  const found = names.map((name) => cleaned(name).toLowerCase());
  const faults = NEEDED.flatMap((name) => {
    const count = found.filter((other) => other === name).length;
    return count === 0 ? [`no column "${name}"`] : count > 1 ? [`column "${name}" twice`] : [];
  });
  const hint = found.some((name) => name.includes('\0'))
    ? ' (it holds NUL bytes: UTF-16, or no text at all?)'
    : '';
  const look = faults.length > 0 ? (format ?? lookOf(line)) : undefined;
  if (look !== undefined) return look;
  if (faults.length > 0 && typeof fields === 'string') return `in the header ${fields}`;
  return faults.length > 0 ? `the header has ${faults.join(', ')}${hint}` : undefined;
}

/** The row of a record, or why it is rejected. */
function judgeRecord(text: string, names: readonly string[]): (string | bigint)[] | string {
  const fields = fieldsOf(text);
  if (typeof fields === 'string') return fields;
  if (fields.length !== names.length)
    return `the row has ${fields.length} fields, the header ${names.length}`;
  const values = NEEDED.map((name) => fields[names.indexOf(name)]!);
  if (values.some((value) => value.includes('\0'))) return 'a value holds a NUL byte';
  const [customer, gender, merchant, amount] = values.map(cleaned) as [string, string, string, string];
  const exact = exactAmount(amount);
  if (customer === '') return 'the customer is empty';
  if (merchant === '') return 'the merchant is empty';
  if (exact === undefined) return 'the amount is not a valid number';
  if (Buffer.byteLength(customer) > 1000) return 'the customer is longer than 1,000 bytes';
  if (Buffer.byteLength(merchant) > 1000) return 'the merchant is longer than 1,000 bytes';
  return [customer, gender, merchant, exact];
}

export function judge(file: string): Verdict {
  const [header, ...records] = recordsOf(file);
  if (!header) return { refused: 'the object is empty' };
  const open = [header, ...records].find(({ text }) => text === undefined);
  const names = header.text === undefined ? [] : namesOf(header.text);
  const fault =
    header.text === undefined
      ? undefined
      : headerFault(names, fieldsOf(header.text), utf8Of(header.text), formatFault(header.text));
  if (fault !== undefined || typeof names === 'string') return { refused: fault ?? '' };
  if (open) {
    return { refused: `the record that starts on line ${open.line} opens a quote (") that is never closed` };
  }
  const found = names.map((name) => cleaned(name).toLowerCase());
  const rows: (string | bigint)[][] = [];
  const rejected: [number, string][] = [];
  for (const { line, text } of records) {
    const row = judgeRecord(text!, found);
    if (typeof row === 'string') rejected.push([line, row]);
    else rows.push(row);
  }
  return { rows, rejected };
}
