/** The parts of `@20minutes/s3rver` (CommonJS, without types of its own) that BankPulse uses. */
declare module '@20minutes/s3rver' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
  import type FilesystemStore from '@20minutes/s3rver/lib/stores/filesystem.js';

  export interface Context {
    req: IncomingMessage;
    res: ServerResponse;
    query: Record<string, string | undefined>;
    params: { bucket: string };
    state: { service?: string; vhost?: boolean };
    status: number;
    type: string;
    body: unknown;
  }

  export default class S3rver {
    constructor(options: { directory: string; silent: boolean; vhostBuckets: boolean });
    store: FilesystemStore;
    context: { store: FilesystemStore };
    /** Koa's chain: log, objects to XML, mount path, virtual hosts, router. */
    middleware: ((context: Context, next: () => Promise<void>) => Promise<void>)[];
    callback(): RequestListener;
  }
}

declare module '@20minutes/s3rver/lib/stores/filesystem.js' {
  import type { Readable } from 'node:stream';
  import type S3Object from '@20minutes/s3rver/lib/models/object.js';

  export default class FilesystemStore {
    constructor(directory: string);
    rootDirectory: string;
    getBucketPath(bucket: string): string;
    getResourcePath(bucket: string, key: string | undefined, resource: string): string;
    getBucket(bucket: string): Promise<{ name: string; creationDate: Date } | null>;
    putBucket(bucket: string): Promise<unknown>;
    getMetadata(bucket: string, key: string): Promise<Record<string, string>>;
    getObject(
      bucket: string,
      key: string,
      range?: { start?: number; end?: number },
    ): Promise<S3Object | null>;
    putObject(object: S3Object): Promise<{ size: number; md5: string }>;
    copyObject(
      sourceBucket: string,
      sourceKey: string,
      bucket: string,
      key: string,
      metadata: Record<string, string> | null,
    ): Promise<Record<string, string>>;
    deleteObject(bucket: string, key: string): Promise<void>;
    listObjects(bucket: string, options: { maxKeys?: number }): Promise<{ objects: S3Object[] }>;
    putPart(
      bucket: string,
      uploadId: string,
      part: string,
      content: Readable,
    ): Promise<{ size: number; md5: string }>;
    putObjectMultipart(
      bucket: string,
      uploadId: string,
      parts: { number: number; etag: string }[],
    ): Promise<{ size: number; md5: string }>;
  }
}

declare module '@20minutes/s3rver/lib/models/object.js' {
  import type { Readable } from 'node:stream';

  export default class S3Object {
    constructor(bucket: string, key: string, content: Readable | null, metadata: Record<string, string>);
    bucket: string;
    key: string;
    content: Readable | Buffer | null;
    metadata: Record<string, string>;
    range?: { start: number; end: number };
    get size(): number;
    get lastModifiedDate(): Date;
  }
}

declare module '@20minutes/s3rver/lib/models/error.js' {
  export default class S3Error extends Error {
    constructor(code: string, message: string, detail?: Record<string, unknown>);
    status: number;
    type: string;
  }
}

declare module '@20minutes/s3rver/lib/controllers/bucket.js' {
  import type { Context } from '@20minutes/s3rver';

  const controller: { getBucket(context: Context): Promise<void> | void };
  export default controller;
}
