import type { SqlFunctions } from '../database/functions.js';
import type { Logger } from '../log.js';
import type { ListedObject } from '../s3/object-store.js';
import type { PatientStore } from '../s3/patient-store.js';
import { UnreadableObject } from '../s3/store-errors.js';

/** Objects that are asked for at once. */
const AT_ONCE = 8;
/** An ETag in the listings that changes so often, while the object stays or cannot be read, tells nothing. */
const MOST_CHANGES = 3;

/**
 * Which objects of the ledger were replaced: applied ones, and quarantined ones, which are to be tried again. In some
 * stores a listing shows other ETags than the objects have. So an object whose listed ETag is not the ledger's is asked
 * for its own one. If that of an applied object is the ledger's, the listed one is kept in the ledger, too, and later
 * listings are compared with it. That of a quarantined object is compared with the one it had when it was tried last.
 */
export class ReplacedObjects {
  /** The listed ETags of those that are known to be replaced. */
  readonly #replaced = new Map<string, string>();
  /** How often the listed ETag of an object has changed while the object stayed. */
  readonly #changes = new Map<string, number>();
  /** The quarantined objects that were to be tried again, each with its listed ETag and its own one. */
  readonly #mended = new Map<string, { listed: string; own: string | undefined }>();
  #isSaid = false;

  constructor(
    private readonly options: {
      store: PatientStore;
      functions: SqlFunctions;
      log: Logger;
      signal?: AbortSignal | undefined;
    },
  ) {}

  /** Those of these objects, whose listed ETag is not the ledger's, that were replaced. */
  among(objects: readonly ListedObject[]): Promise<ListedObject[]> {
    return filterAtOnce(objects, (object) => this.#isReplaced(object));
  }

  /** Those of these quarantined objects, whose listed ETag is not the ledger's, that are to be tried again. */
  mendedAmong(objects: readonly ListedObject[]): Promise<ListedObject[]> {
    return filterAtOnce(objects, (object) => this.#isMended(object));
  }

  async #isReplaced({ key, etag: listed }: ListedObject): Promise<boolean> {
    if (this.#replaced.get(key) === listed) return true;
    if (this.#tellsNothing(key)) return false;
    const etag = await this.#ownEtag(key);
    if (etag === undefined) return false; // the next listing asks again
    if (!(await this.options.functions.noteListedEtag(key, etag, listed))) {
      this.#replaced.set(key, listed);
      return true;
    }
    this.#countChange(key);
    if (!this.#isSaid) {
      this.#isSaid = true;
      this.options.log.warn(
        { key, listed, read: etag },
        'the listings of this store show other ETags than its objects have; listings are compared with listings',
      );
    }
    return false;
  }

  async #isMended({ key, etag: listed }: ListedObject): Promise<boolean> {
    const last = this.#mended.get(key);
    if (last?.listed === listed) return true; // it waits to be tried
    if (this.#tellsNothing(key)) return false;
    const own = await this.#ownEtag(key);
    if (own !== undefined && own === last?.own) {
      this.#countChange(key);
      return false;
    }
    this.#mended.set(key, { listed, own });
    return true;
  }

  #tellsNothing(key: string): boolean {
    return (this.#changes.get(key) ?? 0) >= MOST_CHANGES;
  }

  #countChange(key: string): void {
    this.#changes.set(key, (this.#changes.get(key) ?? 0) + 1);
  }

  /** The object's own ETag; undefined if it is gone, or cannot be had now. */
  async #ownEtag(key: string): Promise<string | undefined> {
    const { store, signal } = this.options;
    try {
      return await store.once((direct) => direct.peek(key, signal));
    } catch (error) {
      if (error instanceof UnreadableObject) this.#countChange(key);
      return undefined;
    }
  }
}

/** The objects of which this is true. */
async function filterAtOnce(
  objects: readonly ListedObject[],
  isTrue: (object: ListedObject) => Promise<boolean>,
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for (let at = 0; at < objects.length; at += AT_ONCE) {
    const some = objects.slice(at, at + AT_ONCE);
    const are = await Promise.all(some.map(isTrue));
    found.push(...some.filter((_, index) => are[index]));
  }
  return found;
}
