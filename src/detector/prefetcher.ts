import type { PatientStore } from '../s3/patient-store.js';
import type { PendingObject } from './backlog.js';
import { bufferedObject, type FetchedObject } from '../loader/object-content.js';

/** More requests at once gain nothing, and tiny objects would make thousands of them. */
const MAX_OBJECTS = 16;

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
    private readonly store: PatientStore,
    private readonly limits: { PREFETCH_BYTES: number; MAX_CHUNK_BYTES: number },
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
   * The object, read ahead or now; undefined if it is not there, or has grown since it was listed: the next listing has
   * its new size. The object no longer counts against the budget.
   */
  async take(object: PendingObject): Promise<FetchedObject | undefined> {
    const fetch = this.#fetches.get(object.key) ?? this.#begin(object);
    try {
      return await fetch.object;
    } finally {
      this.#fetches.delete(object.key);
      this.#bytes -= fetch.bytes;
    }
  }

  #begin({ key, size }: PendingObject): Fetch {
    const object = this.store
      .getWhole(key, size)
      .then((whole) => whole && bufferedObject(key, whole.etag, whole.content, this.limits.MAX_CHUNK_BYTES));
    object.catch(() => undefined); // `take` throws the error
    const fetch = { bytes: size, object };
    this.#fetches.set(key, fetch);
    this.#bytes += size;
    return fetch;
  }
}
