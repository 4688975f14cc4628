import { ContentError } from '../errors.js';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
export const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** In bytes. A longer record most likely opens a quote that is never closed, and would swallow the rest of the file. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** One record: the bytes from `start` to `end` (exclusive) of `block`, without the line end that closes it. */
export interface CsvRecord {
  block: Buffer;
  start: number;
  end: number;
  /** The physical line on which it starts, from 1. */
  line: number;
}

/**
 * Finds the records of a CSV file (RFC 4180; a line feed outside quotes ends a record) in its bytes, which may come in
 * blocks cut anywhere, and skips byte order marks before a record. It holds at most one record and one block in memory,
 * and does not look into the fields.
 */
export class CsvRecordSplitter {
  #state: 'field start' | 'unquoted' | 'quoted' | 'quote in quoted' = 'field start';
  /** The bytes of the current record in earlier blocks. */
  #carried: Buffer[] = [];
  #carriedBytes = 0;
  /** What may be the beginning of a byte order mark, cut in two by the end of a block. */
  #cutMark: Buffer = Buffer.alloc(0);
  #line = 1;
  /** Line feeds between the quotes of the current record. */
  #innerLines = 0;

  /**
   * The records that end in this block. The caller takes all of them before it pushes the next block.
   * @throws ContentError if a record is longer than MAX_RECORD_BYTES.
   */
  *push(block: Buffer): Generator<CsvRecord, void, undefined> {
    if (this.#cutMark.length > 0) block = Buffer.concat([this.#cutMark, block]);
    this.#cutMark = block.subarray(0, 0);
    yield* this.#split(block);
  }

  /**
   * The last record, if it has no line end.
   * @throws ContentError if a quote is open.
   */
  *end(): Generator<CsvRecord, void, undefined> {
    if (this.#state === 'quoted') throw new ContentError('quoteNeverClosed', this.#line);
    const block = Buffer.concat([...this.#carried, this.#cutMark]);
    if (block.length > 0) yield { block, start: 0, end: block.length, line: this.#line };
  }

  *#split(block: Buffer): Generator<CsvRecord, void, undefined> {
    let quote = -1;
    for (let start = 0; start < block.length;) {
      // files that were joined have marks in the middle; a quote behind a mark still opens the first field
      if (block[start] === BYTE_ORDER_MARK[0] && this.#carriedBytes === 0) {
        const mark = block.subarray(start, start + BYTE_ORDER_MARK.length);
        if (mark.equals(BYTE_ORDER_MARK)) {
          start += mark.length;
          continue;
        }
        if (mark.length < BYTE_ORDER_MARK.length && mark.equals(BYTE_ORDER_MARK.subarray(0, mark.length))) {
          this.#cutMark = mark;
          return;
        }
      }
      if (quote < start) quote = indexOrEnd(block, QUOTE, start);
      const end = this.#findEnd(block, start, quote);
      const bytes = this.#carriedBytes + end - start;
      if (bytes > MAX_RECORD_BYTES) {
        throw new ContentError('recordTooLong', this.#line, MAX_RECORD_BYTES);
      }
      if (end === block.length) {
        this.#carried.push(block.subarray(start));
        this.#carriedBytes = bytes;
        return;
      }
      const record = this.#take(block, start, end);
      if (record.end > record.start) yield record; // an empty line is no record
      start = end + 1;
    }
  }

  /** The position of the line feed that ends the current record, or the block's length. `quote`: that of the next quote. */
  #findEnd(block: Buffer, start: number, quote: number): number {
    if (this.#state === 'quoted') return this.#scan(block, start);
    // Most records have no quotes: they end at the next line feed, which native code finds.
    const end = indexOrEnd(block, LF, start);
    if (quote < end) return this.#scan(block, start);
    if (end === block.length) this.#state = block[end - 1] === COMMA ? 'field start' : 'unquoted';
    return end;
  }

  #scan(block: Buffer, start: number): number {
    let state = this.#state;
    let at = start;
    for (; at < block.length; at++) {
      const byte = block[at];
      if (state === 'quoted') {
        if (byte === QUOTE) state = 'quote in quoted';
        else if (byte === LF) this.#innerLines++;
      } else if (byte === LF) break;
      else if (byte === COMMA) state = 'field start';
      else if (byte === QUOTE && state !== 'unquoted') state = 'quoted';
      else state = 'unquoted';
    }
    this.#state = state;
    return at;
  }

  /** The current record, which ends before `end`; prepares for the next one. */
  #take(block: Buffer, start: number, end: number): CsvRecord {
    const line = this.#line;
    this.#line += 1 + this.#innerLines;
    this.#innerLines = 0;
    this.#state = 'field start';
    if (this.#carried.length > 0) {
      block = Buffer.concat([...this.#carried, block.subarray(start, end)]);
      [start, end] = [0, block.length];
      this.#carried = [];
      this.#carriedBytes = 0;
    }
    if (end > start && block[end - 1] === CR) end--;
    return { block, start, end, line };
  }
}

function indexOrEnd(block: Buffer, byte: number, from: number): number {
  const index = block.indexOf(byte, from);
  return index < 0 ? block.length : index;
}
