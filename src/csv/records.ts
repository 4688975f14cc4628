import { ContentError } from '../errors.js';

const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** In bytes. A longer record is taken for a quote that nobody closed, which would swallow the rest of the file. */
export const MAX_RECORD_BYTES = 16 * 1024 * 1024;

/** One record: the bytes from `start` to `end` (exclusive) of `block`, without the line end that closes it. */
export interface CsvRecord {
  block: Buffer;
  start: number;
  end: number;
  /** The physical line on which it starts; the file's first is 1. */
  line: number;
}

/**
 * Finds the records of a CSV file (RFC 4180; a line feed outside quotes ends a record) in its bytes, which may come in blocks cut
 * anywhere. It holds no more than one record and one block. What stands in the fields is not its business.
 */
export class CsvRecordSplitter {
  #state: 'field start' | 'unquoted' | 'quoted' | 'quote in quoted' = 'field start';
  /** What earlier blocks hold of the record at hand. */
  #carried: Buffer[] = [];
  #carriedBytes = 0;
  #isFileStart = true;
  #line = 1;
  /** Line feeds between the quotes of the record at hand. */
  #innerLines = 0;

  /**
   * The records that end in this block; to be taken, all of them, before the next block is pushed.
   * @throws ContentError if a record is longer than MAX_RECORD_BYTES.
   */
  *push(block: Buffer): Generator<CsvRecord, void, undefined> {
    if (this.#isFileStart) {
      block = Buffer.concat([...this.#carried, block]);
      this.#carried = [block];
      if (block.length >= BYTE_ORDER_MARK.length) yield* this.#start();
    } else {
      yield* this.#split(block);
    }
  }

  /**
   * The last record, if it lacks a line end.
   * @throws ContentError if a quote is open.
   */
  *end(): Generator<CsvRecord, void, undefined> {
    if (this.#isFileStart) yield* this.#start();
    if (this.#state === 'quoted') throw new ContentError('quoteNeverClosed', this.#line);
    const block = Buffer.concat(this.#carried);
    if (block.length > 0) yield { block, start: 0, end: block.length, line: this.#line };
  }

  /** A byte order mark is no part of the first field: a quote after it still opens one. */
  *#start(): Generator<CsvRecord, void, undefined> {
    const block = Buffer.concat(this.#carried);
    this.#carried = [];
    this.#isFileStart = false;
    const hasMark = block.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    yield* this.#split(hasMark ? block.subarray(BYTE_ORDER_MARK.length) : block);
  }

  *#split(block: Buffer): Generator<CsvRecord, void, undefined> {
    let quote = -1;
    for (let start = 0; start < block.length;) {
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

  /** Where the line feed is that ends the record at hand, or the block's length. `quote`: the next one's place. */
  #findEnd(block: Buffer, start: number, quote: number): number {
    if (this.#state === 'quoted') return this.#scan(block, start);
    // Without quotes, as most records are, the next line feed is the end, and native code finds it.
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

  /** The record at hand, which ends before `end`; gets ready for the next. */
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
