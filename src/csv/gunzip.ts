import { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';

const BLOCK_BYTES = 256 * 1024;
type Blocks = AsyncIterator<Buffer, unknown>;

/** With these bytes every gzip file begins, and no text in UTF-8. */
const MAGIC = Buffer.from([0x1f, 0x8b]);

/**
 * The bytes of a file, unpacked if they are gzip, whatever the file is called: stores keep packed bytes under any name,
 * and hand out unpacked ones under names that end in .gz. @throws as `gunzipped`.
 */
export async function* unpacked(file: Readable): AsyncGenerator<Buffer, void, undefined> {
  const { head, whole } = await begin(file);
  yield* head.equals(MAGIC) ? gunzipped(Readable.from(whole, { objectMode: false })) : whole;
}

/** Reads a file's first two bytes. @returns these, and all bytes, the first ones too. */
async function begin(
  file: AsyncIterable<Buffer>,
): Promise<{ head: Buffer; whole: AsyncGenerator<Buffer, void, undefined> }> {
  const blocks = file[Symbol.asyncIterator]() as Blocks;
  let read: Buffer = Buffer.alloc(0);
  while (read.length < MAGIC.length) {
    const block = await nextBlock(blocks);
    if (!block) break;
    read = read.length === 0 ? block : Buffer.concat([read, block]);
  }
  async function* whole(): AsyncGenerator<Buffer, void, undefined> {
    try {
      if (read.length > 0) yield read;
      for (let block = await nextBlock(blocks); block; block = await nextBlock(blocks)) yield block;
    } finally {
      await blocks.return?.();
    }
  }
  return { head: read.subarray(0, MAGIC.length), whole: whole() };
}

/**
 * The uncompressed bytes of all members of a gzip file; zeros between and behind the members are skipped. Node's own
 * gunzip takes zeros for the end of the file, and silently drops the members behind them.
 * @throws zlib's errors, whose codes begin with Z_; any error of `packed`, which is destroyed in the end.
 */
export async function* gunzipped(packed: Readable): AsyncGenerator<Buffer, void, undefined> {
  const blocks = (packed as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (let block = await nextBlock(blocks); block; block = await skipZeros(blocks, block)) {
      const gunzip = createGunzip({ chunkSize: BLOCK_BYTES });
      const rest = feed(gunzip, blocks, block);
      yield* gunzip as AsyncIterable<Buffer>;
      block = await rest;
      if (!block) return;
    }
  } finally {
    packed.destroy();
  }
}

/** Writes blocks until the last member before zeros has ended. @returns the rest of the last block, if any. */
async function feed(gunzip: Gunzip, blocks: Blocks, first: Buffer): Promise<Buffer | undefined> {
  try {
    let written = 0;
    for (let block: Buffer | undefined = first; block; block = await nextBlock(blocks)) {
      await new Promise<void>((resolve, reject) =>
        gunzip.write(block, (error) => (error ? reject(error) : resolve())),
      );
      written += block.length;
      const left = written - gunzip.bytesWritten;
      if (left > 0) return block.subarray(-left);
    }
    gunzip.end();
  } catch (error) {
    gunzip.destroy(error as Error); // the reader of `gunzip` gets it
  }
  return undefined;
}

async function skipZeros(blocks: Blocks, first: Buffer): Promise<Buffer | undefined> {
  for (let block: Buffer | undefined = first; block; block = await nextBlock(blocks)) {
    const start = block.findIndex((byte) => byte !== 0);
    if (start >= 0) return block.subarray(start);
  }
  return undefined;
}

async function nextBlock(blocks: Blocks): Promise<Buffer | undefined> {
  const { done, value } = await blocks.next();
  return done ? undefined : value;
}
