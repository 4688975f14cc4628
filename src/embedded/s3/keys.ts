import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** How s3rver ends the name of the file that holds an object. */
const SUFFIX = '._S3rver_object';

/**
 * The keys under a bucket's directory that begin with `prefix` and come behind `after`, in S3's order, which is that
 * of their UTF-8 bytes. A directory sorts as its name and a slash: `a-b` before `a/b` before `aa`.
 */
export function* listKeys(directory: string, prefix: string, after: string, base = ''): Generator<string> {
  const start = byteOrder(after);
  const entries: { name: string; order: string; isKey: boolean }[] = [];
  for (const file of namesIn(directory)) {
    const isKey = file.endsWith(SUFFIX);
    if (!isKey && file.includes('._S3rver_')) continue;
    const name = base + (isKey ? file.slice(0, -SUFFIX.length) : `${file}/`);
    const order = byteOrder(name);
    const isWanted = isKey
      ? order > start && name.startsWith(prefix)
      : (order > start || start.startsWith(order)) && (name.startsWith(prefix) || prefix.startsWith(name));
    if (isWanted) entries.push({ name, order, isKey });
  }
  entries.sort((left, right) => (left.order < right.order ? -1 : left.order > right.order ? 1 : 0));
  for (const { name, isKey } of entries) {
    if (isKey) yield name;
    else yield* listKeys(join(directory, name.slice(base.length)), prefix, after, name);
  }
}

/** Strings compare by UTF-16 units, which differs from the order of bytes outside ASCII: one unit per byte then. */
export function byteOrder(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text).toString('latin1');
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // a directory goes with its last object
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
