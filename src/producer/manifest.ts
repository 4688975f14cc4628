import type { output } from 'zod';
import { chunkNumber, isChunkKey } from '../s3/chunk-names.js';
import { z } from '../environment/zod.js';
import { UserError } from '../errors.js';
import type { ObjectStore } from '../s3/object-store.js';

const manifestSchema = z.object({ source_sha256: z.string(), source_rows: z.int(), chunk_rows: z.int() });
/** The source that the chunks in a bucket were cut from, and their size. */
export type Manifest = output<typeof manifestSchema>;

/**
 * Makes sure that the chunks in the bucket come from this source and have this size. If there are none, it writes the
 * manifest for those to come.
 * @returns the numbers of the chunks that are there.
 * @throws UserError if they come from another source or have another size.
 */
export async function claim(
  manifest: Manifest,
  sourceName: string,
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<Set<number>> {
  const manifestKey = `${prefix.replace(/\/$/, '')}.manifest.json`;
  const place = `s3://${store.bucket}/${prefix}`;
  const remedy = `empty ${place} and delete ${manifestKey}, or set another CHUNKS_PREFIX`;

  // Listed before the manifest is read: another X that starts at this moment writes its manifest first.
  const present = new Set<number>();
  let csv: string | undefined;
  for await (const { key } of store.list(prefix, signal)) {
    const number = chunkNumber(key.slice(prefix.length));
    if (number !== undefined) present.add(number);
    if (isChunkKey(key)) csv ??= key;
  }
  const content = `${JSON.stringify(manifest)}\n`;
  if (csv === undefined) await store.putIfAbsent(manifestKey, content, 'application/json', signal);

  const stored = await store.getWhole(manifestKey, signal);
  if (!stored) {
    throw new UserError(
      `${csv} lies in ${place}, but no ${manifestKey} says what it was cut from: ${remedy}`,
    );
  }
  const { source_sha256, source_rows, chunk_rows } = readManifest(stored.content, manifestKey, remedy);
  if (source_sha256 !== manifest.source_sha256 || source_rows !== manifest.source_rows) {
    throw new UserError(
      `the chunks in ${place} were cut from another file (${source_rows} rows, sha256 ${source_sha256.slice(0, 8)}) than ${sourceName} (${manifest.source_rows} rows, ${manifest.source_sha256.slice(0, 8)}): use that file, or ${remedy}`,
    );
  }
  if (chunk_rows !== manifest.chunk_rows) {
    throw new UserError(
      `the chunks in ${place} have ${chunk_rows} rows each, CHUNK_ROWS is ${manifest.chunk_rows}: set CHUNK_ROWS=${chunk_rows}, or ${remedy}`,
    );
  }
  await store.learnConditionalPut(manifestKey, stored.content, 'application/json', signal);
  return present;
}

function readManifest(content: Buffer, key: string, remedy: string): Manifest {
  try {
    return manifestSchema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new UserError(`${key} is no manifest that BankPulse wrote: ${remedy}`, { cause: error });
  }
}
