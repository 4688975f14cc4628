import type { ChunkOrder } from '../config.js';
import type { SqlFunctions } from '../database/functions.js';
import type { ObjectStore } from '../s3/object-store.js';

export interface WaitingObjects {
  count: number;
  /** When the oldest of them was put into S3; null if none waits. */
  oldestAt: Date | null;
}

/** Lists all pages and asks the ledger, as mechanism Y does, which objects wait. Changes nothing. */
export async function countWaitingObjects(
  store: ObjectStore,
  functions: SqlFunctions,
  { CHUNKS_PREFIX, CHUNK_ORDER }: { CHUNKS_PREFIX: string; CHUNK_ORDER: ChunkOrder },
): Promise<WaitingObjects> {
  const found: WaitingObjects = { count: 0, oldestAt: null };
  let startAfter: string | undefined;
  for (let isLast = false; !isLast;) {
    const page = await store.listPage(CHUNKS_PREFIX, startAfter);
    const { objects } = page;
    const unseen = await functions.unseenObjects(
      objects.map(({ key }) => key),
      objects.map(({ etag }) => etag),
      CHUNK_ORDER,
    );
    const waiting = new Set(
      unseen.filter(({ status }) => status === 'new' || status === 'mended').map(({ key }) => key),
    );
    for (const { key, lastModified } of objects) {
      if (!waiting.has(key)) continue;
      found.count++;
      if (found.oldestAt === null || lastModified < found.oldestAt) found.oldestAt = lastModified;
    }
    startAfter = objects.at(-1)?.key;
    isLast = page.isLast || startAfter === undefined;
  }
  return found;
}
