import type { ObjectStore } from './object-store.js';
import { UnreadableObject } from './store-errors.js';

/** So many are asked for: enough that one of them is readable if only some are not. */
const MOST_ASKED = 8;

/**
 * Whether the store hands out another object under the prefix. If so, an error about one object is not about all. One
 * that is refused for a reason of its own, such as that it is archived, counts too: a store checks the credentials first,
 * so it has accepted them.
 */
export async function isAnotherReadable(
  store: ObjectStore,
  prefix: string,
  key: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const isReadable = async (other: string) => {
    try {
      return (await store.peek(other, signal)) !== undefined;
    } catch (error) {
      return error instanceof UnreadableObject && !error.mayConcernAll;
    }
  };
  try {
    const pages = [
      await store.listPage(prefix, undefined, signal),
      await store.listPage(prefix, key, signal),
    ];
    const others = new Set(pages.flatMap(({ objects }) => objects.map((object) => object.key)));
    others.delete(key);
    const keys = [...others];
    const step = Math.max(1, Math.floor(keys.length / MOST_ASKED));
    const asked = keys.filter((_, index) => index % step === 0).slice(0, MOST_ASKED);
    return (await Promise.all(asked.map(isReadable))).includes(true);
  } catch {
    return false; // not even a listing: whatever it is, it is not about one object
  }
}
