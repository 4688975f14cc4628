import { retryForever } from '../async/retry.js';
import type { Logger } from '../log.js';
import type { ListedObject, ObjectStore, WholeObject } from './object-store.js';
import { isTransientStoreError } from './store-errors.js';

/**
 * The object store as the running pipeline uses it: a call that fails for a reason that may pass is made again until it
 * works, and the log says so once. Any other error is thrown, and so is the signal's reason when the signal ends the
 * waiting.
 */
export class PatientStore {
  constructor(
    private readonly store: ObjectStore,
    private readonly log: Logger,
    private readonly signal: AbortSignal | undefined,
  ) {}

  get bucket(): string {
    return this.store.bucket;
  }

  /** The same store, with another signal that ends the waiting. */
  until(signal: AbortSignal): PatientStore {
    return new PatientStore(this.store, this.log, signal);
  }

  /**
   * Does work of several calls again from its beginning until it works, for calls whose answers belong together. `store`
   * is the one that fails at once.
   */
  retry<Result>(work: (store: ObjectStore) => Promise<Result>): Promise<Result> {
    const { log, signal, store } = this;
    return retryForever('object_store', { log, signal, isTransient: isTransientStoreError }, () =>
      work(store),
    );
  }

  listPage(prefix: string, startAfter?: string): Promise<{ objects: ListedObject[]; isLast: boolean }> {
    return this.retry((store) => store.listPage(prefix, startAfter, this.signal));
  }

  getWhole(key: string, most?: number): Promise<WholeObject | undefined> {
    return this.retry((store) => store.getWhole(key, this.signal, most));
  }

  put(key: string, body: Buffer | string, contentType: string): Promise<void> {
    return this.retry((store) => store.put(key, body, contentType, this.signal));
  }

  putIfAbsent(key: string, body: Buffer | string, contentType: string): Promise<boolean> {
    return this.retry((store) => store.putIfAbsent(key, body, contentType, this.signal));
  }
}
