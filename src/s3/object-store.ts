import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type ListObjectsV2CommandOutput,
  type PutObjectCommandInput,
  type S3Client,
  type ServerSideEncryption,
} from '@aws-sdk/client-s3';
import { ANSWER_MS, type Answers } from '../async/retry.js';
import { wholeBody } from './body.js';
import { CredentialReasons, openClient, proxyOf, type ClientOptions } from './client.js';
import { describeServer, explainStoreError, type StorePlace } from './explain-error.js';
import { assertPage, oddListing } from './listing-page.js';
import {
  IncompleteBody,
  isDeniedByStore,
  isMissingObject,
  isTransientStoreError,
  mayBeAboutObject,
  nameOf,
  statusOf,
  UnreadableObject,
} from './store-errors.js';

/** The error of AWS for a conditional put during another put to the same key; a second try gets a definite answer. */
const CONFLICT = 'ConditionalRequestConflict';
const CONFLICT_PAUSE_MS = 100;

/** A line that takes a chunk a second is faster: the answer to a put may take this much longer for each byte. */
const SLOWEST_BYTES_PER_MS = 250;

export interface ObjectStoreOptions extends ClientOptions {
  /** The most objects of a page of a listing. Default: as many as the store gives, which is 1,000. */
  pageSize?: number | undefined;
  /** Whether a put may carry `If-None-Match`. Default: true. */
  conditionalPuts?: boolean | undefined;
  /** The encryption that each put asks for. Default: none, the bucket's own. */
  encryption?: { algorithm: ServerSideEncryption; kmsKeyId?: string | undefined } | undefined;
  /** If an answer takes longer, the store is in trouble. Default: ANSWER_MS. */
  answerMs?: number | undefined;
}

export interface ListedObject {
  key: string;
  /** In bytes. */
  size: number;
  /** Without quotes. */
  etag: string;
  lastModified: Date;
}

/** An object whose body is still to be read. */
export interface StoredObject {
  /** Must be read to its end or destroyed. It fails if it is not read for 10 s. */
  body: Readable;
  /** In bytes; undefined if the store does not tell it before the end. */
  size: number | undefined;
  /** Without quotes. */
  etag: string;
  /** Whether the store sends a checksum with it, which the SDK compares. */
  hasChecksum: boolean;
}

/** An object in memory. */
export interface WholeObject extends Omit<StoredObject, 'body' | 'size'> {
  content: Buffer;
}

/** What is known of an object before it is read. */
export interface Reading {
  /** Its size by the listing. It proves that a body whose length the store does not tell was cut. */
  listedSize?: number | undefined;
}

export interface WholeReading extends Reading {
  /** A larger object is not taken into memory. */
  most?: number | undefined;
  /** The same for one whose size the store does not tell before its end. */
  mostUntold?: number | undefined;
}

/** The object is larger than what was to be taken into memory. */
export class ObjectTooLarge extends Error {
  override name = 'ObjectTooLarge';
}

/** What the answers of a store have told about it. */
interface Learnt {
  /**
   * How the store treats `If-None-Match`. Unless it is `enforced`, `putIfAbsent` first checks that the object does not
   * exist; if it is `refused`, no condition is sent.
   */
  ifNoneMatch: 'unknown' | 'enforced' | 'ignored' | 'refused';
  /** The lengths of bodies that ended before the size that the listing has. */
  shortBodies: Map<string, number>;
}

const unwatched: Answers = { waitFor: (answer) => answer, sign: () => undefined };

/** One bucket of an S3 object store. No other module uses the client of the AWS SDK. */
export class ObjectStore {
  private constructor(
    private readonly place: StorePlace,
    private readonly client: S3Client,
    private readonly options: ObjectStoreOptions,
    private readonly learnt: Learnt,
    private readonly answers: Answers,
  ) {}

  /**
   * Sends no request: `checkAccess` sends the first one.
   * @throws UsageError if the environment names a proxy or keys that cannot be used.
   */
  static open(options: ObjectStoreOptions): ObjectStore {
    const { bucket, endpoint, region } = options;
    const credentials = new CredentialReasons();
    const proxy = proxyOf(options)?.origin;
    const place = { bucket, endpoint, region, proxy, credentialReasons: () => credentials.reasons };
    const ifNoneMatch = options.conditionalPuts === false ? 'refused' : 'unknown';
    const learnt: Learnt = { ifNoneMatch, shortBodies: new Map() };
    return new ObjectStore(place, openClient(options, credentials), options, learnt, unwatched);
  }

  /** The same store, whose answers these wait for. */
  watchedBy(answers: Answers): ObjectStore {
    return new ObjectStore(this.place, this.client, this.options, this.learnt, answers);
  }

  get bucket(): string {
    return this.options.bucket;
  }

  /** Bucket and server, for messages. */
  get description(): string {
    return `bucket "${this.bucket}" at ${describeServer(this.place)}`;
  }

  /** Closes the sockets. */
  close(): void {
    this.client.destroy();
  }

  /**
   * Lists one key under `prefix`, which tests address, bucket, credentials and rights at once.
   * @throws UserError: one line that says what was tried and what to do.
   */
  async checkAccess(prefix = '', signal?: AbortSignal): Promise<void> {
    try {
      const input = { Bucket: this.bucket, Prefix: prefix, MaxKeys: 1 };
      const page = await this.#answer(this.client.send(new ListObjectsV2Command(input), until(signal)));
      if (page.IsTruncated === undefined) throw notAListing(prefix);
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** The error as one line for the user, if it came from the store; otherwise the error as it is. */
  explain(error: unknown): unknown {
    return explainStoreError(error, this.place);
  }

  /**
   * One page of the objects under `prefix` in the order of their keys, beginning after the key `startAfter`.
   * @throws UserError if the store lists in a way that would lose objects or never end.
   */
  async listPage(
    prefix: string,
    startAfter?: string,
    signal?: AbortSignal,
  ): Promise<{ objects: ListedObject[]; isLast: boolean }> {
    const { pageSize } = this.options;
    const input = {
      Bucket: this.bucket,
      Prefix: prefix,
      EncodingType: 'url' as const, // XML has no way to write most control characters
      ...(startAfter !== undefined && { StartAfter: startAfter }),
      ...(pageSize !== undefined && { MaxKeys: pageSize }),
    };
    // a page may be empty though it is not the last one: then only its token leads on
    const tokens = new Set<string>();
    for (let token: string | undefined; ;) {
      const asked = { ...input, ...(token !== undefined && { ContinuationToken: token }) };
      const page = await this.#answer(this.client.send(new ListObjectsV2Command(asked), until(signal)));
      if (page.IsTruncated === undefined) throw notAListing(prefix);
      const objects = objectsOf(page);
      if (objects.length > 0 || !page.IsTruncated) {
        assertPage(objects, { bucket: this.bucket, prefix, startAfter, isLast: !page.IsTruncated });
        return { objects, isLast: !page.IsTruncated };
      }
      token = page.NextContinuationToken;
      if (token === undefined || tokens.has(token)) {
        const what = token === undefined ? 'no token' : 'the same token again';
        throw oddListing(this.bucket, `after an empty page it says that there is more, with ${what}`);
      }
      tokens.add(token);
    }
  }

  /** All objects under `prefix`. Each page begins after the last key of the one before; no continuation tokens. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject> {
    let startAfter: string | undefined;
    for (;;) {
      const { objects, isLast } = await this.listPage(prefix, startAfter, signal);
      yield* objects;
      startAfter = objects.at(-1)?.key;
      if (isLast || startAfter === undefined) return;
    }
  }

  /**
   * An object, or undefined if there is none. `body` fails with `IncompleteBody` if it is cut short.
   * @throws UnreadableObject if the store has the object and does not hand it out.
   */
  async get(
    key: string,
    signal?: AbortSignal,
    { listedSize }: Reading = {},
  ): Promise<StoredObject | undefined> {
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: key });
      let headers: Record<string, string | undefined> = {};
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          ({ headers } = result.response as { headers: typeof headers });
          return result;
        },
        { step: 'deserialize', name: 'seeHeaders' },
      );
      const {
        Body: source,
        ContentLength: size,
        ETag = '',
      } = await this.#answer(this.client.send(command, until(signal)));
      if (!(source instanceof Readable)) throw new IncompleteBody(`the answer for ${key} has no body`);
      const isWhole = this.#whole(key, headers, size ?? listedSize);
      if (!isWhole) {
        // a body that ends where its connection does: one that is cut short would look complete
        source.on('error', () => undefined).destroy();
        throw new IncompleteBody(`the answer for ${key} does not tell its length`);
      }
      return {
        body: wholeBody(source, key, {
          isWhole,
          expected: size ?? listedSize,
          sign: () => this.answers.sign(),
        }),
        size,
        etag: plainEtag(ETag),
        hasChecksum: Object.keys(headers).some((name) => /^x-amz-checksum-(?!type$)/.test(name)),
      };
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw mayBeAboutObject(error) ? new UnreadableObject(key, error) : error;
    }
  }

  /**
   * How to tell by its length whether a body is whole; undefined if nothing tells. A length that the answer gives is
   * exact. A chunked body says its own end, and may be longer than the listing has it, since it may come unpacked. One
   * that is shorter was cut on its way, unless it comes packed or unpacked, or is as short when it is asked for again.
   */
  #whole(
    key: string,
    headers: Record<string, string | undefined>,
    expected: number | undefined,
  ): ((length: number) => boolean) | undefined {
    if (headers['content-length'] !== undefined) return (length) => length === expected;
    const isChunked = /\bchunked$/i.test(headers['transfer-encoding'] ?? '');
    if (expected === undefined) return isChunked ? () => true : undefined;
    if (!isChunked) return (length) => length === expected;
    const isRecoded = ['content-encoding', 'x-goog-stored-content-encoding'].some(
      (name) => !['', 'identity', 'aws-chunked'].includes(headers[name] ?? ''),
    );
    return (length) => {
      if (isRecoded || length >= expected || this.learnt.shortBodies.get(key) === length) return true;
      this.learnt.shortBodies.set(key, length);
      return false;
    };
  }

  /** A whole object in memory; undefined if there is none. @throws ObjectTooLarge */
  async getWhole(
    key: string,
    signal?: AbortSignal,
    { listedSize, most = Infinity, mostUntold = Infinity }: WholeReading = {},
  ): Promise<WholeObject | undefined> {
    const object = await this.get(key, signal, { listedSize });
    if (!object) return undefined;
    const { body, size, ...about } = object;
    if (size !== undefined && size > most) {
      body.destroy();
      throw new ObjectTooLarge(`${key} has ${size} bytes`);
    }
    const content = size === undefined ? await gathered(body, key, mostUntold) : await copied(body, size);
    return { ...about, content };
  }

  /**
   * Asks for the first byte of an object. @returns its ETag, '' if it is empty, undefined if there is no such object.
   * @throws UnreadableObject if the store has the object and does not hand it out.
   */
  async peek(key: string, signal?: AbortSignal): Promise<string | undefined> {
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: key, Range: 'bytes=0-0' });
      const { Body: source, ETag = '' } = await this.#answer(this.client.send(command, until(signal)));
      if (source instanceof Readable) source.on('error', () => undefined).destroy();
      return plainEtag(ETag);
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      if (statusOf(error) === 416) return '';
      throw mayBeAboutObject(error) ? new UnreadableObject(key, error) : error;
    }
  }

  /** Whether the object exists. */
  async has(key: string, signal?: AbortSignal): Promise<boolean> {
    try {
      const command = new HeadObjectCommand({ Bucket: this.bucket, Key: key });
      await this.#answer(this.client.send(command, until(signal)));
      return true;
    } catch (error) {
      if (isMissingObject(error)) return false;
      throw error;
    }
  }

  /** Writes an object; overwrites one that exists. */
  async put(key: string, body: Buffer | string, contentType: string, signal?: AbortSignal): Promise<void> {
    await this.#put(key, body, contentType, signal, {});
  }

  /**
   * Writes an object unless one exists. In a store without conditional puts, an object that appears between the check
   * and the put is overwritten.
   * @returns false if one exists; also if this put wrote it, and the SDK sent it again because the answer was lost.
   */
  async putIfAbsent(
    key: string,
    body: Buffer | string,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (this.learnt.ifNoneMatch !== 'enforced' && (await this.has(key, signal))) return false;
    try {
      await this.#put(
        key,
        body,
        contentType,
        signal,
        this.learnt.ifNoneMatch === 'refused' ? {} : { IfNoneMatch: '*' },
      );
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      if (nameOf(error) === CONFLICT) await sleep(CONFLICT_PAUSE_MS, undefined, { signal });
      else if (mayRefuseCondition(error) && this.learnt.ifNoneMatch !== 'refused')
        this.learnt.ifNoneMatch = 'refused';
      else throw error;
      return await this.putIfAbsent(key, body, contentType, signal);
    }
  }

  /**
   * Learns whether the store enforces conditional puts, by a put to an object that exists with exactly this content:
   * a store that ignores the condition writes the same bytes again. Until then, `putIfAbsent` checks first.
   * @returns how it treats them.
   */
  async learnConditionalPut(
    key: string,
    content: Buffer,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<'unknown' | 'enforced' | 'ignored' | 'refused'> {
    if (this.learnt.ifNoneMatch === 'refused') return 'refused';
    try {
      await this.#put(key, content, contentType, signal, { IfNoneMatch: '*' });
      this.learnt.ifNoneMatch = 'ignored';
    } catch (error) {
      if (statusOf(error) === 412 || nameOf(error) === CONFLICT) this.learnt.ifNoneMatch = 'enforced';
      else if (mayRefuseCondition(error)) this.learnt.ifNoneMatch = 'refused';
      else throw error;
    }
    return this.learnt.ifNoneMatch;
  }

  /** Deletes an object, if there is one. */
  async delete(key: string, signal?: AbortSignal): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.bucket, Key: key });
    await this.#answer(this.client.send(command, until(signal)));
  }

  async #put(
    key: string,
    body: Buffer | string,
    contentType: string,
    signal: AbortSignal | undefined,
    condition: { IfNoneMatch?: string },
  ): Promise<void> {
    const { encryption } = this.options;
    const content = Buffer.from(body);
    const input: PutObjectCommandInput = {
      Bucket: this.bucket,
      Key: key,
      Body: content,
      ContentType: contentType,
      ...(encryption && { ServerSideEncryption: encryption.algorithm }),
      ...(encryption?.kmsKeyId !== undefined && { SSEKMSKeyId: encryption.kmsKeyId }),
      ...condition,
    };
    await this.#answer(this.client.send(new PutObjectCommand(input), until(signal)), content.length);
  }

  /** Waits for the answer to a request with a body of so many bytes. */
  #answer<Answer>(answer: Promise<Answer>, bytes = 0): Promise<Answer> {
    const { answerMs = ANSWER_MS } = this.options;
    return this.answers.waitFor(answer, answerMs + bytes / SLOWEST_BYTES_PER_MS);
  }
}

/** The error for a server that is not an S3 store, or does not work as one at the moment. */
function notAListing(prefix: string): IncompleteBody {
  return new IncompleteBody(`the answer to a listing of ${prefix} is no listing`);
}

function until(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

/** Whether the store may not know the condition of a put: stores refuse headers that they do not know with either. */
function mayRefuseCondition(error: unknown): boolean {
  const isOfCondition = statusOf(error) === 501 || statusOf(error) === 400;
  // S3 answers a slow body and an expired token with 400, too
  return isOfCondition && !isTransientStoreError(error) && !isDeniedByStore(error);
}

function objectsOf({ Contents = [], EncodingType }: ListObjectsV2CommandOutput): ListedObject[] {
  const decode = EncodingType === 'url' ? decodeKey : (key: string) => key; // some stores never encode
  return Contents.map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({
    key: decode(Key),
    size: Size,
    etag: plainEtag(ETag),
    lastModified: LastModified ?? new Date(0),
  }));
}

/** The ETag without quotes, and without the mark of a weak one: some stores and proxies add either to one answer only. */
function plainEtag(etag: string): string {
  return etag.replace(/^W\//i, '').replace(/^("|&quot;)|("|&quot;)$/g, '');
}

/** The bytes of a body of this size. Joining its blocks at the end would take twice the memory. */
async function copied(body: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  const content = Buffer.allocUnsafeSlow(size);
  let received = 0;
  for await (const block of body) received += block.copy(content, received);
  return content;
}

/** The bytes of a body of unknown size. @throws ObjectTooLarge */
async function gathered(body: AsyncIterable<Buffer>, key: string, most: number): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let received = 0;
  for await (const block of body) {
    received += block.length;
    if (received > most) throw new ObjectTooLarge(`${key} has more than ${most} bytes`);
    blocks.push(block);
  }
  return Buffer.concat(blocks);
}

/** AWS writes a space as `+`, Ceph as `%20`; a plus is `%2B` with both. */
function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return encoded; // not UTF-8: such a key cannot be requested
  }
}
