import type { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';

const BLOCK_BYTES = 256 * 1024;
type Blocks = AsyncIterator<Buffer, unknown>;

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
