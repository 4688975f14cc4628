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

// The lock file pins the SDK, so its warning about future Node versions would only be noise in the log.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

const CONNECT_TIMEOUT_MS = 5_000;
/** Counts from the last byte in either direction, so a large body over a slow line may take as long as it needs. */
const NO_PROGRESS_TIMEOUT_MS = 10_000;
const MAX_SOCKETS = 32;
/** The error of AWS for a conditional put during another put to the same key; a second try gets a definite answer. */
const CONFLICT = 'ConditionalRequestConflict';
const CONFLICT_PAUSE_MS = 100;

export interface ObjectStoreOptions {
  bucket: string;
  /** A URL. Default: AWS itself. */
  endpoint?: string | undefined;
  /** Default: the SDK's own search (profile files); with an endpoint `us-east-1`, since it seldom matters there. */
  region?: string | undefined;
  /** Default: true when an endpoint is set. */
  forcePathStyle?: boolean | undefined;
  /** Default: the SDK's default chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** Default: NO_PROGRESS_TIMEOUT_MS. */
  noProgressTimeoutMs?: number | undefined;
  /** The most objects of a page of a listing. Default: as many as the store gives, which is 1,000. */
  pageSize?: number | undefined;
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
  // header, which AWS, Ceph and the embedded server accept (streams would need a trailer, which Ceph answers with 411).
  // For a store that does not accept it, the SDK itself reads AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
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

/** One bucket of an S3 object store. No other module uses the client of the AWS SDK. */
export class ObjectStore {
  /**
   * How the store treats `If-None-Match`. Unless it is `enforced`, `putIfAbsent` first checks that the object does not
   * exist; if it is `refused`, no condition is sent.
   */
  #ifNoneMatch: 'unknown' | 'enforced' | 'ignored' | 'refused' = 'unknown';

  private constructor(
    readonly bucket: string,
    private readonly place: string,
    private readonly client: S3Client,
    private readonly pageSize: number | undefined,
  ) {}

  /** Sends no request: `checkAccess` sends the first one. */
  static open(options: ObjectStoreOptions): ObjectStore {
    const { bucket, endpoint, region } = options;
    const place = endpoint ? new URL(endpoint).origin : region ? `AWS S3 in ${region}` : 'AWS S3';
    return new ObjectStore(bucket, place, openClient(options), options.pageSize);
  }

  /** Bucket and server, for messages. */
  get description(): string {
    return `bucket "${this.bucket}" at ${this.place}`;
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

  /** One page of the objects under `prefix` in the order of their keys, beginning after the key `startAfter`. */
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
        ...(this.pageSize !== undefined && { MaxKeys: this.pageSize }),
      }),
      until(signal),
    );
    if (page.IsTruncated === undefined) throw notAListing(prefix);
    const decode = page.EncodingType === 'url' ? decodeKey : (key: string) => key; // some stores never encode
    const objects = (page.Contents ?? []).map(({ Key = '', Size = 0, ETag = '', LastModified }) => ({
      key: decode(Key),
      size: Size,
      etag: unquoted(ETag),
      lastModified: LastModified ?? new Date(0),
    }));
    return { objects, isLast: !page.IsTruncated };
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
        // stores always send it; without it, a body that is cut short would look complete
        source.on('error', () => undefined).destroy();
        throw new IncompleteBody(`the answer for ${key} does not tell its length`);
      }
      return { body: wholeBody(source, size, key), size, etag: unquoted(ETag) };
    } catch (error) {
      if (isMissingObject(error)) return undefined;
      throw error;
    }
  }

  /** A whole object in memory; undefined if there is none, or if it has more than `most` bytes. */
  async getWhole(key: string, signal?: AbortSignal, most = Infinity): Promise<WholeObject | undefined> {
    const object = await this.get(key, signal);
    if (!object) return undefined;
    if (object.size > most) {
      object.body.destroy();
      return undefined;
    }
    const body: AsyncIterable<Buffer> = object.body;
    const content = Buffer.allocUnsafeSlow(object.size); // joining the blocks at the end would take twice the memory
    let received = 0;
    for await (const block of body) received += block.copy(content, received);
    return { content, etag: object.etag };
  }

  /** Whether the object exists. */
  async has(key: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key }), until(signal));
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
   * Learns whether the store enforces conditional puts, by a put to an object that exists with exactly this content:
   * a store that ignores the condition writes the same bytes again. Until then, `putIfAbsent` checks first.
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

/** The error for a server that is not an S3 store, or does not work as one at the moment. */
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
    return encoded; // not UTF-8: such a key cannot be requested
  }
}

/** The source's bytes. Fails with `IncompleteBody` if the source fails, or ends before `size` bytes. */
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
  // it may fail before it is read; a later reader still gets the error
  body.on('error', () => undefined);
  body.once('close', () => source.destroy());
  return source.pipe(body);
}
