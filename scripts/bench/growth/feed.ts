import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chunkName } from '../../../src/s3/chunk-names.js';
import type { ObjectStore } from '../../../src/s3/object-store.js';
import type { InputChunk } from '../input.js';
import type { GrowthStream } from './stream.js';

/** The stream, and where its chunks go: to the bucket, and to files for the peers. */
export class Feed {
  readonly #chunks: Iterator<InputChunk, void>;
  #last = 0;

  constructor(
    stream: GrowthStream,
    private readonly store: ObjectStore,
    readonly prefix: string,
    private readonly folder: string,
    private readonly signal: AbortSignal,
  ) {
    this.#chunks = stream.chunks();
  }

  next(): InputChunk {
    const { value } = this.#chunks.next();
    if (!value) throw new Error('the stream is at its end');
    this.#last = value.number;
    return value;
  }

  /** Puts chunks into the bucket, up to this one. @returns their files */
  async put(until: number): Promise<string[]> {
    const files: string[] = [];
    while (this.#last < until) {
      this.signal.throwIfAborted();
      const { number, content } = this.next();
      const name = chunkName(number);
      files.push(join(this.folder, name));
      await writeFile(files.at(-1)!, content);
      await this.store.put(`${this.prefix}${name}`, content, 'text/csv');
    }
    return files;
  }
}
