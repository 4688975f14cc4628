import { isUtf8 } from 'node:buffer';
import { BYTE_ORDER_MARK } from '../csv/records.js';
import { locateColumns, type ColumnPositions, type NeededColumns } from '../csv/header.js';

/** The file holds something that only the careful way can read; the file may still be valid. */
export class NotPlain extends Error {
  override name = 'NotPlain';
}

const COMMA = 0x2c;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x27;
const TAB = 0x09;
const SPACE = 0x20;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

// How the inner loop treats a byte: nearly all are ordinary, and skipped.
const ORDINARY = 0;
const SEPARATOR = 1;
const RETURN = 2;
const NOT_ASCII = 3;
const FORBIDDEN = 4;
const kinds = new Uint8Array(256);
kinds.fill(FORBIDDEN, 0, SPACE); // control characters: NUL, tab (COPY's own delimiter), ...
kinds.fill(NOT_ASCII, 0x80);
kinds[0x22] = FORBIDDEN; // " quotes a field
kinds[0x5c] = FORBIDDEN; // \ is COPY's escape
kinds[COMMA] = SEPARATOR;
kinds[LF] = SEPARATOR;
kinds[CR] = RETURN;

/** As in accept_staged_records: the size of an index entry is limited. */
const MAX_NAME_BYTES = 1000;
/** As placed_gender has it. */
const PLACE_DIGITS = 10;
/** Rows are handed on in pieces of about this many bytes, so that PostgreSQL takes one while the next is cut. */
const PIECE_BYTES = 1 << 17;
/** A file with a longer line goes the careful way, which checks the length of a record. */
const MAX_LINE_BYTES = 1 << 20;

/** Whether a value is `1`, `1.5` or `.5` with an optional sign: at most 30 digits before the point and 15 after it. */
function isPlainAmount(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start];
  let at = first === 0x2b || first === 0x2d ? start + 1 : start;
  const wholeStart = at;
  while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  const wholeDigits = at - wholeStart;
  if (at === end) return wholeDigits >= 1 && wholeDigits <= 30;
  if (bytes[at] !== POINT) return false;
  const fractionStart = ++at;
  while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
  const fractionDigits = at - fractionStart;
  return at === end && wholeDigits <= 30 && fractionDigits >= 1 && fractionDigits <= 15;
}

/** Cuts the needed fields out of whole lines and writes them as COPY's text format, in one pass over the bytes. */
class Projector {
  readonly #positions: ColumnPositions;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  #output = Buffer.alloc(0);
  #written = 0;
  /** The place of the row in the file, in ten digits: the order of rows in a table is no order. */
  readonly #place = Buffer.from('0'.repeat(PLACE_DIGITS));

  constructor(positions: ColumnPositions) {
    this.#positions = positions;
    this.#starts = new Int32Array(positions.fieldCount);
    this.#ends = new Int32Array(positions.fieldCount);
  }

  /** Converts whole lines: `lines` ends with a line end. @throws NotPlain */
  project(lines: Buffer): Buffer {
    // A line of at least six bytes grows by eleven: its place, and the tab for a gender column that the file does not have.
    const most = lines.length * 3;
    if (this.#output.length < most) this.#output = Buffer.allocUnsafe(most);
    this.#written = 0;
    const starts = this.#starts;
    const ends = this.#ends;
    const fieldCount = this.#positions.fieldCount;
    let field = 0;
    let fieldStart = 0;
    let hasNonAscii = false;
    for (let at = 0; at < lines.length; at++) {
      const byte = lines[at]!;
      const kind = kinds[byte]!;
      if (kind === ORDINARY) continue;
      if (kind === SEPARATOR) {
        const isLineEnd = byte === LF;
        const end = isLineEnd && at > fieldStart && lines[at - 1] === CR ? at - 1 : at;
        if (isLineEnd && field === 0 && end === fieldStart) {
          fieldStart = at + 1; // an empty line is no row
          continue;
        }
        if (field === fieldCount) throw new NotPlain();
        starts[field] = fieldStart;
        ends[field] = end;
        field++;
        fieldStart = at + 1;
        if (isLineEnd) {
          if (field !== fieldCount) throw new NotPlain();
          this.#writeRow(lines);
          field = 0;
        }
      } else if (kind === NOT_ASCII) {
        hasNonAscii = true;
        if (at === fieldStart && field === 0 && startsWithMark(lines, at)) throw new NotPlain();
      } else if (kind !== RETURN || lines[at + 1] !== LF) throw new NotPlain();
    }
    if (hasNonAscii && !isUtf8(lines)) throw new NotPlain();
    // Rows take a fifth of that room: a copy of this size for each piece, instead of the room, makes garbage collections rare.
    return Buffer.from(this.#output.subarray(0, this.#written));
  }

  #writeRow(lines: Buffer): void {
    const { customer, gender, merchant, amount } = this.#positions;
    this.#writeField(lines, customer, TAB, true);
    this.#writePlace();
    if (gender === -1) this.#output[this.#written++] = TAB;
    else this.#writeField(lines, gender, TAB, false);
    this.#writeField(lines, merchant, TAB, true);
    const amountStart = this.#written;
    this.#writeField(lines, amount, LF, true);
    if (!isPlainAmount(this.#output, amountStart, this.#written - 1)) throw new NotPlain();
  }

  #writePlace(): void {
    const place = this.#place;
    let digit = PLACE_DIGITS - 1;
    while (place[digit] === NINE) place[digit--] = ZERO;
    place[digit]!++;
    for (digit = 0; digit < PLACE_DIGITS; digit++) this.#output[this.#written++] = place[digit]!;
  }

  /** Writes a field without its pair of single quotes, and the delimiter behind it. */
  #writeField(lines: Buffer, field: number, delimiter: number, isName: boolean): void {
    let start = this.#starts[field]!;
    let end = this.#ends[field]!;
    if (lines[start] === SPACE || (end > start && lines[end - 1] === SPACE)) throw new NotPlain();
    if (end - start >= 2 && lines[start] === QUOTE && lines[end - 1] === QUOTE) {
      start++;
      end--;
    }
    if (isName && (end === start || end - start > MAX_NAME_BYTES)) throw new NotPlain();
    const output = this.#output;
    let written = this.#written;
    while (start < end) output[written++] = lines[start++]!;
    output[written++] = delimiter;
    this.#written = written;
  }
}

function startsWithMark(bytes: Buffer, start: number): boolean {
  return BYTE_ORDER_MARK.equals(bytes.subarray(start, start + BYTE_ORDER_MARK.length));
}

function withoutByteOrderMark(bytes: Buffer): Buffer {
  return startsWithMark(bytes, 0) ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
}

/** Where the needed columns are. @throws NotPlain, also for a wrong header: the careful way says what is wrong. */
function plainPositions(header: Buffer, needed: NeededColumns): ColumnPositions {
  const text = header.toString('utf8').replace(/\r$/, '');
  if (text === '' || /["\r]/.test(text) || !isUtf8(header)) throw new NotPlain();
  try {
    return locateColumns(text.split(','), needed);
  } catch {
    throw new NotPlain();
  }
}

/**
 * The plain way: the needed columns of a CSV file as rows for `copy staged_rows from stdin`, in one fast pass over the
 * bytes. It takes only rows that are sure to be accepted: names that need no trimming, amounts that are plain decimals,
 * valid UTF-8, no double quotes. A file with any other row goes the careful way.
 * @throws NotPlain at the first such row.
 */
export async function* plainRows(
  source: AsyncIterable<Buffer>,
  needed: NeededColumns,
): AsyncGenerator<Buffer> {
  let projector: Projector | undefined;
  let rest: Buffer = Buffer.alloc(0);
  let isStart = true;
  for await (const block of source) {
    let bytes = rest.length === 0 ? block : Buffer.concat([rest, block]);
    if (isStart) {
      // the end of the first block may cut a byte order mark in two
      if (bytes.length < BYTE_ORDER_MARK.length) {
        rest = bytes;
        continue;
      }
      bytes = withoutByteOrderMark(bytes);
      isStart = false;
    }
    if (!projector) {
      const headerEnd = bytes.indexOf(LF);
      if (headerEnd > MAX_LINE_BYTES) throw new NotPlain();
      if (headerEnd !== -1) {
        projector = new Projector(plainPositions(bytes.subarray(0, headerEnd), needed));
        bytes = bytes.subarray(headerEnd + 1);
      }
    }
    const linesEnd = projector ? bytes.lastIndexOf(LF) + 1 : 0;
    for (let start = 0, end; projector && start < linesEnd; start = end) {
      end = bytes.indexOf(LF, Math.min(start + PIECE_BYTES, linesEnd - 1)) + 1;
      if (end - start > PIECE_BYTES + MAX_LINE_BYTES) throw new NotPlain();
      yield projector.project(bytes.subarray(start, end));
    }
    rest = bytes.subarray(linesEnd);
    if (rest.length > MAX_LINE_BYTES) throw new NotPlain();
  }
  if (isStart) rest = withoutByteOrderMark(rest);
  if (!projector) plainPositions(rest, needed);
  // a carriage return at the very end belongs to the last value
  else if (rest.at(-1) === CR) throw new NotPlain();
  else if (rest.length > 0) yield projector.project(Buffer.concat([rest, Buffer.of(LF)]));
}
