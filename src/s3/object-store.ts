import { Readable, Transform, finished } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { IncompleteBody, explainStoreError, isMissingObject, nameOf, statusOf } from './store-errors.js';

// The lock file pins the SDK; its advice about future Node versions would only stand in people's logs.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

const CONNECT_TIMEOUT_MS = 5_000;
/** Counts from the last byte in either direction, so a large body over a slow line may take as long as it needs. */
const NO_PROGRESS_TIMEOUT_MS = 10_000;
const MAX_SOCKETS = 32;
/** What AWS answers to a conditional put while another writer is at the same key; asking again settles it. */
const CONFLICT = 'ConditionalRequestConflict';
const CONFLICT_PAUSE_MS = 100;

export interface ObjectStoreOptions {
  bucket: string;
  /** A URL; without it AWS itself. */
  endpoint?: string | undefined;
  /** Without it the SDK's own search (profile files), or `us-east-1` at an endpoint, where it seldom matters. */
  region?: string | undefined;
  /** Default: true when an endpoint is set. */
  forcePathStyle?: boolean | undefined;
  /** Without them the SDK's default chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** Default: NO_PROGRESS_TIMEOUT_MS. */
  noProgressTimeoutMs?: number | undefined;
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
  /** Must be read to its end or destroyed; it breaks if it is left alone for 10 s. */
  body: Readable;
  /** In bytes. */
  size: number;
  /** Without quotes. */
  etag: string;
}

/** An object in memory. */
export interface WholeObject {
  content: Buffer;
  etag: string;
}

/** A client of the SDK with the project's timeouts. It connects with its first call. */
export function openClient({
  endpoint,
  region,
  forcePathStyle,
  credentials,
  noProgressTimeoutMs = NO_PROGRESS_TIMEOUT_MS,
}: ObjectStoreOptions): S3Client {
  const sockets = { maxSockets: MAX_SOCKETS };
  // Checksums stay at the SDK's default, "when supported": all bodies are buffers, so the checksum travels in a
  // header, which AWS, Ceph and s3rver take alike (streams would need a trailer, which Ceph answers with 411).
  // For a store that does not, the SDK reads AWS_REQUEST_CHECKSUM_CALCULATION=when_required by itself.
  return new S3Client({
    ...(endpoint && { endpoint }),
    ...(region ? { region } : endpoint && { region: 'us-east-1' }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    ...(credentials && { credentials }),
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: noProgressTimeoutMs,
      httpAgent: sockets,
      httpsAgent: sockets,
    },
  });
}

/** One bucket of an S3 object store. The only module that knows the AWS SDK. */
export class ObjectStore {
  /** What the store makes of `If-None-Match`: `unknown` and `ignored` need a look first, `refused` is never sent it. */
  #ifNoneMatch: 'unknown' | 'enforced' | 'ignored' | 'refused' = 'unknown';

  private constructor(
    readonly bucket: string,
    private readonly place: string,
    private readonly client: S3Client,
  ) {}

  /** Opens nothing yet: `checkAccess` does. */
  static open(options: ObjectStoreOptions): ObjectStore {
    const { bucket, endpoint, region } = options;
    const place = endpoint ? new URL(endpoint).origin : region ? `AWS S3 in ${region}` : 'AWS S3';
    return new ObjectStore(bucket, place, openClient(options));
  }

  /** Frees the sockets. */
  close(): void {
    this.client.destroy();
  }

  /**
   * Lists one key under `prefix`, which shows address, bucket, credentials and rights at once.
   * @throws UserError in one line: what was tried, and what to do.
   */
  async checkAccess(prefix = '', signal?: AbortSignal): Promise<void> {
    try {
      const page = await this.client.send(
        new ListObjectsV2Command({ Bucket: this.bucket, Prefix: prefix, MaxKeys: 1 }),
        until(signal),
      );
      if (page.IsTruncated === undefined) throw notAListing(prefix);
    } catch (error) {
      throw this.explain(error);
    }
  }

  /** The error as one line for the user, if it came from the store; otherwise the error as it is. */
  explain(error: unknown): unknown {
    return explainStoreError(error, this.bucket, this.place);
  }

  /** Up to 1,000 objects under `prefix` in the order of their keys, those after the key `startAfter`. */
  async listPage(
    prefix: string,
    startAfter?: string,
    signal?: AbortSignal,
  ): Promise<{ objects: ListedObject[]; isLast: boolean }> {
    const page = await this.client.send(
      new ListObjectsV2Command({
        Bucket: this.bucket,
        Prefix: prefix,
        EncodingType: 'url', // XML has no way to write most control characters
        ...(startAfter !== undefined && { StartAfter: startAfter }),
      }),
      until(signal),
    );
    if (page.IsTruncated === undefined) throw notAListing(prefix);
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key; // s3rver never encodes
    const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({
      key: decode(Key),
      size: Size,
      etag: unquoted(ETag),
      lastModified: LastModified ?? new Date(0),
    }));
    return { objects, isLast: !page.IsTruncated };
  }

  /** All objects under `prefix`, page by page. By StartAfter, since continuation tokens do not work with s3rver. */
  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject> {
    let startAfter: string | undefined;
    for (;;) {
      const { objects, isLast } = await this.listPage(prefix, startAfter, signal);
      yield* objects;
      startAfter = objects.at(-1)?.key;
      if (isLast || startAfter === undefined) return;
    }
  }

  /** An object, or undefined if there is none. `body` fails with `IncompleteBody` if it ends before `size` bytes. */
  async get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const answer = await this.client.send(
        new GetObjectCommand({ Bucket: this.bucket, Key: key }),
        until(signal),
      );
      const { Body: source, ContentLength: size, ETag = '' } = answer;
      if (!(source instanceof Readable)) throw new IncompleteBody(`the answer for ${key} has no body`);
      if (size === undefined) {
        // stores always tell it; without, nothing would show that a body is cut short
        source.on('error', () => undefined).destroy();
        throw new IncompleteBody(`the answer for ${key} does not tell its length`);
      }
      return { body: wholeBody(source, size, key), size, etag: unquoted(ETag) };
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw error;
    }
  }

  /** A whole object in memory, or undefined if there is none, or only one of more than `most` bytes. */
  async getWhole(key: string, signal?: AbortSignal, most = Infinity): Promise<WholeObject | undefined> {
    const object = await this.get(key, signal);
    if (!object) return undefined;
    if (object.size > most) {
      object.body.destroy();
      return undefined;
    }
    const body: AsyncIterable<Buffer> = object.body;
    const content = Buffer.allocUnsafeSlow(object.size); // once, not first in blocks and then together
    let received = 0;
    for await (const block of body) received += block.copy(content, received);
    return { content, etag: object.etag };
  }

  /** Whether there is such an object. */
  async has(key: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }), until(signal));
      return true;
    } catch (error) {
      if (isMissingObject(error)) return false;
      throw error;
    }
  }

  /** Writes an object, over any that is there. */
  async put(key: string, body: Buffer | string, contentType: string, signal?: AbortSignal): Promise<void> {
    await this.#put(key, body, contentType, signal, {});
  }

  /**
   * Writes an object unless there is one; false if there is (also when a lost answer made the SDK ask twice).
   * Where the store has no conditional put, one that appears between our look and our put is written over.
   */
  async putIfAbsent(
    key: string,
    body: Buffer | string,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<boolean> {
    if (this.#ifNoneMatch !== 'enforced' && (await this.has(key, signal))) return false;
    try {
      await this.#put(
        key,
        body,
        contentType,
        signal,
        this.#ifNoneMatch === 'refused' ? {} : { IfNoneMatch: '*' },
      );
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      if (nameOf(error) === CONFLICT) await sleep(CONFLICT_PAUSE_MS, undefined, { signal });
      else if (statusOf(error) === 501 && this.#ifNoneMatch !== 'refused') this.#ifNoneMatch = 'refused';
      else throw error;
      return await this.putIfAbsent(key, body, contentType, signal);
    }
  }

  /**
   * Learns whether the store has conditional puts, by one on an object that exists with exactly this content:
   * a store that ignores the condition writes the same bytes again. Until then, `putIfAbsent` looks first.
   */
  async learnConditionalPut(
    key: string,
    content: Buffer,
    contentType: string,
    signal?: AbortSignal,
  ): Promise<void> {
    try {
      await this.#put(key, content, contentType, signal, { IfNoneMatch: '*' });
      this.#ifNoneMatch = 'ignored';
    } catch (error) {
      if (statusOf(error) === 412 || nameOf(error) === CONFLICT) this.#ifNoneMatch = 'enforced';
      else if (statusOf(error) === 501) this.#ifNoneMatch = 'refused';
      else throw error;
    }
  }

  async #put(
    key: string,
    body: Buffer | string,
    contentType: string,
    signal: AbortSignal | undefined,
    condition: { IfNoneMatch?: string },
  ): Promise<void> {
    const input = {
      Bucket: this.bucket,
      Key: key,
      Body: Buffer.from(body),
      ContentType: contentType,
      ...condition,
    };
    await this.client.send(new PutObjectCommand(input), until(signal));
  }
}

/** What answers so is no S3, or not at the moment. */
function notAListing(prefix: string): IncompleteBody {
  return new IncompleteBody(`the answer to a listing of ${prefix} is no listing`);
}

function until(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

function unquoted(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

/** AWS writes a space as `+`, Ceph as `%20`; a plus is `%2B` with both. */
function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return encoded; // no UTF-8: not a key that can be asked for
  }
}

/** The source's bytes, with an `IncompleteBody` instead of its own errors and of an end before `size` bytes. */
function wholeBody(source: Readable, size: number, key: string): Readable {
  let received = 0;
  const incomplete = (cause?: unknown) =>
    new IncompleteBody(`only ${received} of ${size} bytes of ${key} arrived`, { cause });
  const body = new Transform({
    transform(block: Buffer, _encoding, done) {
      received += block.length;
      done(null, block);
    },
    flush(done) {
      done(received === size ? null : incomplete());
    },
  });
  finished(source, (error) => {
    if (error) body.destroy(incomplete(error));
  });
  // it may break before anybody reads it; whoever does then gets the error all the same
  body.on('error', () => undefined);
  body.once('close', () => source.destroy());
  return source.pipe(body);
}
