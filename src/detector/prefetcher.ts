import { ObjectTooLarge } from '../s3/object-store.js';
import type { PendingObject } from './backlog.js';
import type { UnreadableObjects } from './unreadable-objects.js';
import { bufferedObject, type FetchedObject } from '../loader/object-content.js';

/** More requests at once gain nothing, and tiny objects would make thousands of them. */
const MAX_OBJECTS = 16;

/** An object whose size the store does not tell before its end is held in memory up to this share of the budget. */
const SHARE_OF_UNTOLD = 4;

interface Fetch {
  bytes: number;
  object: Promise<FetchedObject | undefined>;
}

/**
 * Reads the next objects while earlier ones are applied: at most PREFETCH_BYTES ahead, by the sizes in the listing.
 * An object larger than that is never held in memory.
 */
export class Prefetcher {
  readonly #fetches = new Map<string, Fetch>();
  #bytes = 0;

  constructor(
    private readonly unreadable: UnreadableObjects,
    private readonly limits: { PREFETCH_BYTES: number; MAX_CHUNK_BYTES: number },
    private readonly signal: AbortSignal,
  ) {}

  /** Whether the object is small enough to be held in memory. */
  fits({ size }: PendingObject): boolean {
    return size <= this.limits.PREFETCH_BYTES && size <= this.limits.MAX_CHUNK_BYTES;
  }

  /** Starts to read the next objects, in order, as far as the budget allows. */
  readAhead(upcoming: readonly PendingObject[]): void {
    for (const object of upcoming) {
      if (this.#fetches.size >= MAX_OBJECTS) return;
      if (this.#fetches.has(object.key)) continue;
      if (!this.fits(object) || this.#bytes + object.size > this.limits.PREFETCH_BYTES) return;
      this.#begin(object);
    }
  }

  /**
   * The object, read ahead or now; undefined if it is not there. The object no longer counts against the budget.
   * @returns `tooLarge` if it is not for the memory: it has grown since it was listed, or was listed by its packed size.
   */
  async take(object: PendingObject): Promise<FetchedObject | 'tooLarge' | undefined> {
    const fetch = this.#fetches.get(object.key) ?? this.#begin(object);
    try {
      return await fetch.object;
    } catch (error) {
      if (error instanceof ObjectTooLarge) return 'tooLarge';
      throw error;
    } finally {
      this.#fetches.delete(object.key);
      this.#bytes -= fetch.bytes;
    }
  }

  #begin({ key, size }: PendingObject): Fetch {
    const { PREFETCH_BYTES, MAX_CHUNK_BYTES } = this.limits;
    const reading = { listedSize: size, most: size, mostUntold: PREFETCH_BYTES / SHARE_OF_UNTOLD };
    const object = this.unreadable
      .read(key, (store) => store.getWhole(key, this.signal, reading))
      .then((whole) => {
        if (!whole) return undefined;
        this.#bytes += whole.content.length - fetch.bytes;
        fetch.bytes = whole.content.length;
        return bufferedObject(whole.etag, whole.content, MAX_CHUNK_BYTES);
      });
    object.catch(() => undefined); // `take` throws the error
    const fetch: Fetch = { bytes: size, object };
    this.#fetches.set(key, fetch);
    this.#bytes += size;
    return fetch;
  }
}
