import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, renameSync, writeFileSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type S3Object from '@20minutes/s3rver/lib/models/object.js';

/** What stands beside an object's content: a file of its own, so that the content's is what was put, byte for byte. */
export interface Sidecar {
  md5: string;
  metadata: Record<string, string>;
  /** Of the content it belongs to. */
  size: number;
  mtimeMs: number;
}

export const isMissing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Writes it at once or not at all, by way of `aside`. */
export function writeSidecar(path: string, aside: string, sidecar: Sidecar): void {
  writeFileSync(aside, JSON.stringify(sidecar), { mode: 0o600 });
  renameSync(aside, path);
}

/** The sidecar of that content; undefined when there is none, or that of another content. */
export function readSidecar(path: string, { size, mtimeMs }: Stats): Sidecar | undefined {
  try {
    const sidecar = JSON.parse(readFileSync(path, 'utf8')) as Sidecar;
    return sidecar.size === size && sidecar.mtimeMs === mtimeMs ? sidecar : undefined;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A sidecar for content that has none. */
export function describeContent(path: string, { size, mtimeMs }: Stats): Sidecar {
  const hash = createHash('md5');
  const descriptor = openSync(path, 'r');
  const buffer = Buffer.alloc(1 << 16);
  for (let length; (length = readSync(descriptor, buffer)) > 0;) hash.update(buffer.subarray(0, length));
  closeSync(descriptor);
  return { md5: hash.digest('hex'), metadata: {}, size, mtimeMs };
}

/** Writes a body to a new file, and to the disk: with `syncDirectories` it is still there after a power cut. */
export async function receive(content: S3Object['content'], path: string) {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  let size = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of Buffer.isBuffer(content) ? [content] : (content ?? [])) {
      const bytes = chunk as Buffer;
      md5.update(bytes);
      sha256.update(bytes);
      size += bytes.length;
      await file.writeFile(bytes);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex') };
}

/**
 * Puts the name of a file on the disk, which syncing its content does not: all directories from its own up to `top`,
 * since any of them may be new. Where nothing has changed, this costs next to nothing.
 */
export async function syncDirectories(path: string, top: string): Promise<void> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    try {
      const opened = await open(directory, 'r');
      await opened.sync().finally(() => opened.close());
    } catch (error) {
      if (!isMissing(error)) throw error; // the file was deleted meanwhile, and the directory was empty then
    }
    if (directory === top) return;
  }
}
