import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { ObjectStore, type ObjectStoreOptions } from '../../src/s3/object-store.js';

/** What a client asks of the store. */
export interface OddRequest {
  method: string;
  isListing: boolean;
  /** Without the bucket; '' for the bucket itself. */
  key: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** An answer of its own; undefined: the right one. */
export type Oddity = (
  request: OddRequest,
  res: ServerResponse,
) => boolean | undefined | Promise<boolean | undefined>;

interface Kept {
  content: Buffer;
  etag: string;
}

const escape = (text: string) => text.replace(/[&<>"\p{Cc}]/gu, (found) => `&#${found.codePointAt(0)};`);
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * A small S3 store in memory that does what a test says. It checks no signature. `oddity` sees each request first, and
 * returns true if it has answered.
 */
export class OddStore {
  readonly objects = new Map<string, Kept>();
  readonly requests: OddRequest[] = [];
  oddity: Oddity = () => undefined;
  /** The most keys of a page. */
  pageSize = 1000;
  readonly #opened: ObjectStore[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OddStore> {
    const server = createServer((req, res) => {
      store.#serve(req, res).catch(() => res.destroy());
    });
    const store = new OddStore(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return store;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A client of it, which ends with it. */
  open(options: Partial<ObjectStoreOptions> = {}): ObjectStore {
    const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
    const store = ObjectStore.open({ bucket: 'odd', endpoint: this.endpoint, credentials, ...options });
    this.#opened.push(store);
    return store;
  }

  put(key: string, content: string | Buffer): void {
    const bytes = Buffer.from(content);
    this.objects.set(key, { content: bytes, etag: createHash('md5').update(bytes).digest('hex') });
  }

  /** Empty again, and as it should be. */
  reset(): void {
    this.objects.clear();
    this.requests.length = 0;
    this.oddity = () => undefined;
    this.pageSize = 1000;
  }

  async stop(): Promise<void> {
    for (const store of this.#opened) store.close();
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(req.url ?? '/', 'http://store');
    const [, , ...path] = pathname.split('/');
    const { method = '', headers } = req;
    const key = path.map(decodeURIComponent).join('/');
    const body = await buffer(req);
    const request = { method, isListing: method === 'GET' && key === '', key, query, headers, body };
    this.requests.push(request);
    if (await this.oddity(request, res)) return;
    if (request.isListing) return void answerListing(res, this.page(query));
    if (method === 'PUT') {
      if (headers['if-none-match'] === '*' && this.objects.has(key))
        return refuse(res, 412, 'PreconditionFailed');
      this.put(key, body);
      return void res.writeHead(200, { etag: `"${this.objects.get(key)!.etag}"` }).end();
    }
    this.giveObject(request, res);
  }

  giveObject({ key, method, headers }: OddRequest, res: ServerResponse): void {
    const kept = this.objects.get(key);
    if (!kept) return refuse(res, 404, 'NoSuchKey');
    const length = headers.range === undefined ? kept.content.length : Math.min(1, kept.content.length);
    if (length === 0 && headers.range !== undefined) return refuse(res, 416, 'InvalidRange');
    res.writeHead(headers.range === undefined ? 200 : 206, {
      'content-length': length,
      etag: `"${kept.etag}"`,
    });
    res.end(method === 'HEAD' ? undefined : kept.content.subarray(0, length));
  }

  /** The right page of a listing. */
  page(query: URLSearchParams): ListingPage {
    const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? ''];
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && byBytes(key, after) > 0)
      .sort(byBytes);
    const limit = Math.min(this.pageSize, Number(query.get('max-keys') ?? 1000));
    const contents = keys.slice(0, limit).map((key) => this.entry(key));
    return { contents, isTruncated: keys.length > limit };
  }

  entry(key: string): ListedEntry {
    const { content, etag } = this.objects.get(key)!;
    return { key, size: content.length, etag: `"${etag}"` };
  }
}

export interface ListedEntry {
  key: string;
  size: number;
  etag: string;
}

export interface ListingPage {
  contents: ListedEntry[];
  isTruncated: boolean;
  token?: string;
}

export function answerListing(res: ServerResponse, { contents, isTruncated, token }: ListingPage): true {
  const entries = contents.map(
    ({ key, size, etag }) =>
      `<Contents><Key>${escape(key)}</Key><LastModified>2026-11-29T00:00:00.000Z</LastModified>` +
      `<ETag>${escape(etag)}</ETag><Size>${size}</Size></Contents>`,
  );
  res.writeHead(200, { 'content-type': 'application/xml' });
  res.end(
    `<ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>` +
      `${token === undefined ? '' : `<NextContinuationToken>${token}</NextContinuationToken>`}` +
      `${entries.join('')}</ListBucketResult>`,
  );
  return true;
}

/** The store's own refusal: its name for it, its words, and other elements. */
export function refuse(
  res: ServerResponse,
  status: number,
  code: string,
  message = '',
  more: Record<string, string> = {},
): void {
  const elements = Object.entries({ Code: code, Message: message, ...more });
  res.writeHead(status, { 'content-type': 'application/xml' });
  res.end(`<Error>${elements.map(([tag, text]) => `<${tag}>${escape(text)}</${tag}>`).join('')}</Error>`);
}
