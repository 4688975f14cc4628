/* eslint-disable @typescript-eslint/require-await -- s3rver awaits these; async turns what they throw into rejections */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  type Stats,
} from 'node:fs';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { type Readable } from 'node:stream';
import FilesystemStore from '@20minutes/s3rver/lib/stores/filesystem.js';
import S3Error from '@20minutes/s3rver/lib/models/error.js';
import S3Object from '@20minutes/s3rver/lib/models/object.js';
import { describeContent, isMissing, readSidecar, receive, syncDirectories, writeSidecar } from './files.js';
import { listKeys } from './keys.js';
import { assertStorable, assertUpload, isBucketName } from './names.js';

/** The request at hand: s3rver hands its store neither the preconditions nor the connection. */
export const currentRequest = new AsyncLocalStorage<{ req: IncomingMessage; res: ServerResponse }>();

type Metadata = Record<string, string>;
/**
 * s3rver's store, whose objects are seen whole or not at all. Content and its sidecar (MD5, metadata) are written
 * aside and renamed into place, the content last; a sidecar that a SIGKILL left without its content does not fit
 * the content's size and time, and is made anew. All that must not be interleaved is synchronous, and one process
 * owns the directory: that makes `If-None-Match: *` atomic without a lock.
 */
export class ObjectStore extends FilesystemStore {
  private readonly incoming: string;

  constructor(directory: string) {
    super(resolve(directory));
    this.incoming = join(this.rootDirectory, '.incoming'); // no bucket can have this name
    rmSync(this.incoming, { recursive: true, force: true });
    mkdirSync(this.incoming, { recursive: true, mode: 0o700 });
  }

  override async getBucket(bucket: string) {
    return isBucketName(bucket) ? super.getBucket(bucket) : null;
  }

  /** Every path to an object goes through here: what is no plain path inside the bucket ends here. */
  override getResourcePath(bucket: string, key: string | undefined, resource: string): string {
    if (!isBucketName(bucket)) throw new S3Error('InvalidBucketName', 'The specified bucket is not valid.');
    if (key) assertStorable(key);
    return super.getResourcePath(bucket, key, resource);
  }

  /** Keys in S3's order, behind `after`; read from the directory, not from the files. */
  keys(bucket: string, prefix: string, after: string): Iterable<string> {
    return listKeys(this.getBucketPath(bucket), prefix, after);
  }

  /** What a listing shows of an object; undefined when it has just been deleted. */
  describe(bucket: string, key: string): Metadata | undefined {
    try {
      return this.read(bucket, key, statSync(this.getResourcePath(bucket, key, 'object')));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  override async getMetadata(bucket: string, key: string): Promise<Metadata> {
    return this.read(bucket, key, statSync(this.getResourcePath(bucket, key, 'object')));
  }

  /** For s3rver's check that a bucket to be deleted is empty. */
  override async listObjects(bucket: string, { maxKeys = 1000 }: { maxKeys?: number }) {
    const objects: S3Object[] = [];
    for (const key of this.keys(bucket, '', '')) {
      if (objects.length >= maxKeys) break;
      objects.push(new S3Object(bucket, key, null, this.describe(bucket, key) ?? {}));
    }
    return { objects };
  }

  /** Content and metadata of one open file: an overwrite meanwhile does not mix two objects. */
  override async getObject(bucket: string, key: string, range: { start?: number; end?: number } = {}) {
    let descriptor: number;
    try {
      descriptor = openSync(this.getResourcePath(bucket, key, 'object'), 'r');
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const stats = fstatSync(descriptor);
    const metadata = this.read(bucket, key, stats);
    const start = range.start ?? 0;
    const end = Math.min(range.end ?? Infinity, Math.max(0, stats.size - 1));
    const isWanted = range.start !== undefined || range.end !== undefined;
    const isReadable = start <= end && (!isWanted || stats.size > 0);
    if (!isReadable) closeSync(descriptor);
    const content = isReadable ? createReadStream('', { fd: descriptor, start, end }) : null;
    // s3rver forgets the stream when it answers 304
    currentRequest.getStore()?.res.once('close', () => content?.destroy());
    const object = new S3Object(bucket, key, content, metadata);
    if (isWanted) object.range = { start, end };
    return object;
  }

  override async putObject(object: S3Object): Promise<{ size: number; md5: string }> {
    const path = this.getResourcePath(object.bucket, object.key, 'object');
    const { req } = currentRequest.getStore() ?? {};
    const mustBeNew = preconditionOf(req);
    const aside = this.aside();
    try {
      const { size, md5, sha256 } = await receive(object.content, aside);
      const declared = object.content === req ? req?.headers['x-amz-content-sha256'] : undefined;
      if (
        typeof declared === 'string' &&
        /^[0-9a-f]{64}$/i.test(declared) &&
        declared.toLowerCase() !== sha256
      ) {
        throw new S3Error('BadDigest', 'The provided x-amz-content-sha256 does not match what was received.');
      }
      const { mtimeMs } = statSync(aside);
      if (mustBeNew && existsSync(path)) {
        throw new S3Error(
          'PreconditionFailed',
          'At least one of the pre-conditions you specified did not hold',
          {
            Condition: 'If-None-Match',
          },
        );
      }
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const sidecar = { md5, size, mtimeMs, metadata: object.metadata };
      writeSidecar(this.getResourcePath(object.bucket, object.key, 'metadata.json'), this.aside(), sidecar);
      renameSync(aside, path);
      await syncDirectories(path, dirname(this.rootDirectory));
      return { size, md5 };
    } finally {
      rmSync(aside, { force: true });
    }
  }

  override async copyObject(
    sourceBucket: string,
    sourceKey: string,
    bucket: string,
    key: string,
    replacement: Metadata | null,
  ): Promise<Metadata> {
    const source = await this.getObject(sourceBucket, sourceKey);
    if (!source) throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: sourceKey });
    await this.putObject(
      new S3Object(bucket, key, source.content as Readable, replacement ?? source.metadata),
    );
    return this.getMetadata(bucket, key);
  }

  override async deleteObject(bucket: string, key: string): Promise<void> {
    const path = this.getResourcePath(bucket, key, 'object');
    rmSync(path, { force: true });
    rmSync(this.getResourcePath(bucket, key, 'metadata.json'), { force: true });
    rmSync(this.getResourcePath(bucket, key, 'tagging.xml'), { force: true });
    const top = this.getBucketPath(bucket);
    for (let directory = dirname(path); directory !== top; directory = dirname(directory)) {
      try {
        rmdirSync(directory);
      } catch {
        return; // not empty
      }
    }
  }

  override async putPart(bucket: string, uploadId: string, part: string, content: Readable) {
    assertUpload(uploadId);
    if (!/^\d{1,5}$/.test(part)) throw new S3Error('InvalidArgument', 'Part number must be an integer');
    return super.putPart(bucket, uploadId, part, content);
  }

  override async putObjectMultipart(
    bucket: string,
    uploadId: string,
    parts: { number: number; etag: string }[],
  ) {
    assertUpload(uploadId);
    return super.putObjectMultipart(bucket, uploadId, parts);
  }

  private read(bucket: string, key: string, stats: Stats): Metadata {
    const path = this.getResourcePath(bucket, key, 'metadata.json');
    let sidecar = readSidecar(path, stats);
    if (sidecar === undefined) {
      sidecar = describeContent(this.getResourcePath(bucket, key, 'object'), stats);
      writeSidecar(path, this.aside(), sidecar);
    }
    return {
      ...sidecar.metadata,
      etag: JSON.stringify(sidecar.md5),
      'last-modified': stats.mtime.toUTCString(),
      'content-length': String(stats.size),
    };
  }

  private aside(): string {
    return join(this.incoming, randomUUID());
  }
}

/** Whether the object must not exist yet; other preconditions are refused rather than overlooked. */
function preconditionOf(req: IncomingMessage | undefined): boolean {
  const condition = req?.headers['if-none-match'];
  if ((condition !== undefined && condition !== '*') || req?.headers['if-match'] !== undefined) {
    throw new S3Error('NotImplemented', 'Of preconditions for writing only If-None-Match: * is implemented.');
  }
  return condition === '*';
}
