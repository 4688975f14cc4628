import { Readable } from 'node:stream';
import { ContentError, codeOf, messageOf } from '../errors.js';
import { unpacked } from '../csv/gunzip.js';
import type { ObjectStore } from '../s3/object-store.js';
import { ObjectChanged } from '../s3/store-errors.js';
import type { OpenSource } from './stage.js';

/** An object as it was read. The ledger records this ETag and size. */
export interface FetchedObject {
  etag: string;
  size: number;
  /** Opens its bytes, unpacked if they are gzip. May be called again. */
  open: OpenSource;
}

/** @throws ContentError once more than `most` bytes have come. */
async function* limited(source: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const block of source) {
    size += block.length;
    if (size > most) throw new ContentError('tooLarge', most);
    yield block;
  }
}

/** The uncompressed bytes. @throws ContentError if they are gzip, but not a whole file, or more than `maxBytes`. */
async function* contentOf(body: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  try {
    yield* limited(unpacked(body), maxBytes);
  } catch (error) {
    throw codeOf(error)?.startsWith('Z_') ? new ContentError('brokenGzip', messageOf(error)) : error;
  }
}

/** Most objects are one block. Larger ones are cut, because the CSV readers copy the block that they work on. */
const BLOCK_BYTES = 1 << 20;

function* blocksOf(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += BLOCK_BYTES) yield content.subarray(at, at + BLOCK_BYTES);
}

/** An object whose bytes are in memory. */
export function bufferedObject(etag: string, content: Buffer, maxBytes: number): FetchedObject {
  return {
    etag,
    size: content.length,
    open: () => contentOf(Readable.from(blocksOf(content), { objectMode: false }), maxBytes),
  };
}

/** An object that is read from the store while it is staged. */
export interface StreamedObject extends FetchedObject {
  /** Closes the first answer of the store, if `open` was never called. */
  discard(): void;
}

/** An object too large for memory: each `open` reads it from the store. Undefined if the store does not have it. */
export async function streamedObject(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  signal: AbortSignal,
  listedSize?: number,
): Promise<StreamedObject | undefined> {
  const first = await store.get(key, signal, { listedSize });
  if (!first) return undefined;
  const { etag, size = listedSize ?? 0 } = first;
  let unused: Readable | undefined = first.body;
  return {
    etag,
    size,
    discard: () => unused?.destroy(),
    open: async () => {
      let body = unused;
      unused = undefined;
      if (!body) {
        const again = await store.get(key, signal, { listedSize });
        if (again?.etag !== etag) {
          again?.body.destroy();
          throw new ObjectChanged(`${key} changed while it was read`);
        }
        body = again.body;
      }
      return contentOf(body, maxBytes);
    },
  };
}
