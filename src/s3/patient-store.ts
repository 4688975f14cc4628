import { retryForever } from '../async/retry.js';
import type { Logger } from '../log.js';
import type { ListedObject, ObjectStore, WholeObject, WholeReading } from './object-store.js';
import { isTransientStoreError } from './store-errors.js';

/**
 * The object store as the running pipeline uses it: a call that fails with a transient error is retried until it
 * succeeds, and the log says so once. Any other error is thrown, and so is the signal's reason when the signal is
 * aborted during the retries.
 */
export class PatientStore {
  constructor(
    private readonly store: ObjectStore,
    private readonly log: Logger,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Bucket and server, for messages. */
  get description(): string {
    return this.store.description;
  }

  get bucket(): string {
    return this.store.bucket;
  }

  /** The same store, with another signal that ends the retries. */
  until(signal: AbortSignal): PatientStore {
    return new PatientStore(this.store, this.log, signal);
  }

  /**
   * Repeats `work` from its beginning until it succeeds, for several calls whose answers belong together. Calls to the
   * store that `work` gets are not retried by themselves.
   */
  retry<Result>(work: (store: ObjectStore) => Promise<Result>): Promise<Result> {
    const { log, signal, store } = this;
    return retryForever('object_store', { log, signal, isTransient: isTransientStoreError }, ({ answers }) =>
      work(store.watchedBy(answers)),
    );
  }

  /** Calls the store once: any error is thrown. */
  once<Result>(work: (store: ObjectStore) => Promise<Result>): Promise<Result> {
    return work(this.store);
  }

  listPage(prefix: string, startAfter?: string): Promise<{ objects: ListedObject[]; isLast: boolean }> {
    return this.retry((store) => store.listPage(prefix, startAfter, this.signal));
  }

  getWhole(key: string, reading?: WholeReading): Promise<WholeObject | undefined> {
    return this.retry((store) => store.getWhole(key, this.signal, reading));
  }

  has(key: string): Promise<boolean> {
    return this.retry((store) => store.has(key, this.signal));
  }

  put(key: string, body: Buffer | string, contentType: string): Promise<void> {
    return this.retry((store) => store.put(key, body, contentType, this.signal));
  }

  putIfAbsent(key: string, body: Buffer | string, contentType: string): Promise<boolean> {
    return this.retry((store) => store.putIfAbsent(key, body, contentType, this.signal));
  }
}
