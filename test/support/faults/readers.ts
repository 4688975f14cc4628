import type { Piece, Reader } from './gate.js';

/** Statements of mechanism Y, by what stands in them. */
const STATEMENTS: [text: string, step: string][] = [
  ['copy staged_rows', 'copy'],
  ['commit\0', 'commit'], // not the isolation level
  ['process_chunk', 'process'],
  ['newest_detections', 'newest'], // asked between process_chunk and the commit
  ['mark_batch_exported', 'mark'],
];

/** Cuts a stream of PostgreSQL's protocol into messages: a type byte, then a length that counts itself. */
class Messages {
  #rest = Buffer.alloc(0);

  constructor(private hasStartup: boolean) {}

  cut(data: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const head = this.hasStartup ? 0 : 1; // the first message has no type
      if (this.#rest.length < head + 4) return messages;
      const length = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < length) return messages;
      messages.push(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      this.hasStartup = false;
    }
  }
}

/** One PostgreSQL connection, without TLS. `S asked`: the server has statement S; `S answered`: the client the answer. */
export class PostgresReader implements Reader {
  state = '';
  readonly #client = new Messages(true);
  readonly #server = new Messages(false);
  #statement = '';

  fromClient(data: Buffer): Piece[] {
    return this.#client.cut(data).map((bytes) => ({ bytes, step: this.#stepOf(bytes) }));
  }

  fromServer(data: Buffer): Piece[] {
    return this.#server.cut(data).map((bytes) => ({
      bytes,
      // ReadyForQuery ends every answer; a COMMIT is over when its tag comes
      step:
        bytes[0] === 0x5a || (bytes[0] === 0x43 && bytes.includes('COMMIT'))
          ? `${this.#statement} answered`
          : undefined,
    }));
  }

  passed(step: string): void {
    this.state = step;
  }

  /** A statement is asked when the last of its messages goes: a Query, or the Sync after Parse, Bind and Execute. */
  #stepOf(bytes: Buffer): string | undefined {
    const type = String.fromCharCode(bytes[0]!);
    if (type === 'd') return 'copy data';
    if (type === 'Q' || type === 'P' || type === 'B') {
      const text = bytes.toString('latin1');
      // what is prepared already comes as a Bind to its name alone
      const step = STATEMENTS.find(([known]) => text.includes(known))?.[1];
      if (step !== undefined || type !== 'B') this.#statement = step ?? 'other';
    }
    return type === 'Q' || type === 'S' ? `${this.#statement} asked` : undefined;
  }
}

/** One HTTP connection to S3, without TLS: `put detections asked`, `put chunk answered`. */
export class S3Reader implements Reader {
  state = '';
  #request = '';
  #isAnswered = true;

  fromClient(data: Buffer): Piece[] {
    const [, method, path] = /^(GET|PUT|HEAD) (\S+) HTTP/.exec(data.toString('latin1', 0, 2000)) ?? [];
    if (method === undefined || path === undefined) return [{ bytes: data, step: `${this.#request} body` }];
    const what = /\/(chunk|detections)-\d+\.csv/.exec(path)?.[1] ?? 'other';
    this.#request = `${method.toLowerCase()} ${what}`;
    this.#isAnswered = false;
    return [{ bytes: data, step: `${this.#request} asked` }];
  }

  fromServer(data: Buffer): Piece[] {
    const isFirst = !this.#isAnswered;
    this.#isAnswered = true;
    return [{ bytes: data, step: isFirst ? `${this.#request} answered` : undefined }];
  }

  passed(step: string): void {
    this.state = step;
  }
}
