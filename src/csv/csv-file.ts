import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CsvRecordSplitter, type CsvRecord } from './records.js';
import { ContentError, UserError, messageOf } from '../errors.js';
import { unpacked } from './gunzip.js';

const BLOCK_BYTES = 256 * 1024;
const CR = 0x0d;
const LINE_FEED = Buffer.from('\n');
const CARRIAGE_RETURN_LINE_FEED = Buffer.from('\r\n');

/** Identifies a source by its uncompressed bytes, not by its name, time or compression. */
export interface Fingerprint {
  /** Hexadecimal. */
  sha256: string;
  /** Records below the header. */
  rows: number;
}

/** The result of one reading of the whole file. */
export interface Survey {
  /** The header's bytes, without byte order mark and line end. */
  header: Buffer;
  fingerprint: Fingerprint;
}

export interface Chunk {
  /** From 1. */
  number: number;
  rows: number;
  /** The header and the rows, each with a line end; undefined for a chunk that is not wanted. */
  content: Buffer | undefined;
}

/** A CSV file with a header line, plain or gzip. Each method reads it as a stream, from its beginning. */
export class CsvFile {
  /** Its name in messages. */
  readonly name: string;

  /** `variable` is the setting that names the file. `signal` ends every reading: it then throws the signal's reason. */
  constructor(
    variable: string,
    private readonly path: string,
    private readonly signal?: AbortSignal,
  ) {
    this.name = `${variable} (${path})`;
  }

  /**
   * The uncompressed bytes.
   * @throws UserError if it is no regular file, cannot be read, or is gzip, but not a whole gzip file.
   */
  async *blocks(): AsyncGenerator<Buffer, void, undefined> {
    const { signal } = this;
    try {
      // A file is read more than once. To open a named pipe would wait for its other end, and no signal ends that.
      const kind = kindOf(await stat(this.path));
      if (kind !== undefined)
        throw new UserError(`${this.name} is ${kind}, not a file: save its content to a file`);
      signal?.throwIfAborted();
      const file = createReadStream(this.path, { highWaterMark: BLOCK_BYTES, ...(signal && { signal }) });
      for await (const block of unpacked(file)) {
        signal?.throwIfAborted();
        yield block;
      }
    } catch (error) {
      throw signal?.aborted ? signal.reason : this.#explain(error);
    }
  }

  /**
   * The records, the header first, in one group per block. The caller consumes a group before it asks for the next one.
   * `onBlock` gets each block before its records are yielded.
   */
  async *records(onBlock: (block: Buffer) => void): AsyncGenerator<Iterable<CsvRecord>, void, undefined> {
    const splitter = new CsvRecordSplitter();
    for await (const block of this.blocks()) {
      onBlock(block);
      yield this.#named(splitter.push(block));
    }
    yield this.#named(splitter.end());
  }

  /** Adds the name of the file to the splitter's errors. */
  *#named(records: Iterable<CsvRecord>): Generator<CsvRecord, void, undefined> {
    try {
      yield* records;
    } catch (error) {
      throw error instanceof ContentError ? new UserError(`${this.name}: ${error.message}`) : error;
    }
  }

  /**
   * Reads the whole file once.
   * @throws UserError if it cannot be read, has no header, or has a record that is too long or never ends.
   */
  async survey(): Promise<Survey> {
    const hash = createHash('sha256');
    let header: Buffer | undefined;
    let rows = 0;
    for await (const records of this.records((block) => hash.update(block))) {
      for (const { block, start, end } of records) {
        if (header) rows++;
        else header = Buffer.from(block.subarray(start, end));
      }
    }
    if (!header) throw this.empty();
    return { header, fingerprint: { sha256: hash.digest('hex'), rows } };
  }

  /**
   * Cuts the file into chunks of `chunkRows` rows, the last one shorter; only wanted chunks have content.
   * @throws UserError if the file has changed since the survey; no chunk holds more rows than it had then.
   */
  async *chunks(
    { header, fingerprint }: Survey,
    chunkRows: number,
    isWanted: (number: number) => boolean,
  ): AsyncGenerator<Chunk, void, undefined> {
    const changed = () =>
      new UserError(`${this.name} changed while it was read: start again when it is complete`);
    const hash = createHash('sha256');
    let number = 1;
    let rows = -1; // the header is no row
    let text = isWanted(number) ? new CsvText(header) : undefined;
    const take = (): Chunk => {
      const chunk = { number: number++, rows, content: text?.take() };
      rows = 0;
      text = isWanted(number) ? new CsvText(header) : undefined;
      return chunk;
    };
    for await (const records of this.records((block) => hash.update(block))) {
      for (const record of records) {
        if (++rows === 0) continue;
        if ((number - 1) * chunkRows + rows > fingerprint.rows) throw changed();
        text?.add(record);
        if (rows === chunkRows) yield take();
      }
    }
    if (hash.digest('hex') !== fingerprint.sha256) throw changed();
    if (rows > 0) yield take();
  }

  empty(): UserError {
    return new UserError(`${this.name} is empty: it lacks even a header line`);
  }

  #explain(error: unknown): unknown {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const say = (text: string) => new UserError(`${this.name} ${text}`, { cause: error });
    if (code === 'ENOENT') return say('does not exist');
    if (code === 'EACCES' || code === 'EPERM') return say('may not be read by this user');
    if (/^E[A-Z]+$/.test(code)) return say(`cannot be read: ${messageOf(error)}`);
    if (/^Z_/.test(code)) return say(`is not a whole gzip file: ${messageOf(error)}`);
    return error;
  }
}

/** What stands at the path, if it is no regular file. */
function kindOf(stats: Stats): string | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a named pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** Collects the records of a chunk. Records that only an LF separates are copied together, not one by one. */
class CsvText {
  readonly #pieces: Buffer[];
  #run: CsvRecord | undefined;

  constructor(header: Buffer) {
    this.#pieces = [header, lineEndOf(header)];
  }

  add(record: CsvRecord): void {
    // The one byte between two records can only be a line feed.
    if (this.#run?.block === record.block && this.#run.end + 1 === record.start) {
      this.#run.end = record.end;
    } else {
      this.#endRun();
      this.#run = { ...record };
    }
  }

  take(): Buffer {
    this.#endRun();
    return Buffer.concat(this.#pieces);
  }

  #endRun(): void {
    if (!this.#run) return;
    const bytes = this.#run.block.subarray(this.#run.start, this.#run.end);
    this.#pieces.push(bytes, lineEndOf(bytes));
    this.#run = undefined;
  }
}

/**
 * LF. A record that ends with CR, which belongs to its last field, gets CR LF: with LF alone, a reader would take that CR
 * for a part of the line end.
 */
function lineEndOf(record: Buffer): Buffer {
  return record.at(-1) === CR ? CARRIAGE_RETURN_LINE_FEED : LINE_FEED;
}
