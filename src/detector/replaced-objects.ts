import type { SqlFunctions } from '../database/functions.js';
import type { Logger } from '../log.js';
import type { ListedObject } from '../s3/object-store.js';
import type { PatientStore } from '../s3/patient-store.js';
import { UnreadableObject } from '../s3/store-errors.js';

/** Objects that are asked for at once. */
const AT_ONCE = 8;
/** An ETag in the listings that changes more often than this, while the object stays, tells nothing. */
const MOST_CHANGES = 3;

/**
 * Which applied objects were replaced. In some stores a listing shows other ETags than the objects have. So an object
 * whose listed ETag is not the ledger's is asked for its own one; if that is the ledger's, the listed one is kept in the
 * ledger, too, and later listings are compared with it.
 */
export class ReplacedObjects {
  /** The listed ETags of those that are known to be replaced. */
  readonly #replaced = new Map<string, string>();
  /** How often the listed ETag of an object has changed while the object stayed. */
  readonly #changes = new Map<string, number>();
  #isSaid = false;

  constructor(private readonly options: { store: PatientStore; functions: SqlFunctions; log: Logger }) {}

  /** Those of these objects, whose listed ETag is not the ledger's, that were replaced. */
  async among(objects: readonly ListedObject[]): Promise<ListedObject[]> {
    const replaced: ListedObject[] = [];
    for (let at = 0; at < objects.length; at += AT_ONCE) {
      const some = objects.slice(at, at + AT_ONCE);
      const are = await Promise.all(some.map((object) => this.#isReplaced(object)));
      replaced.push(...some.filter((_, index) => are[index]));
    }
    return replaced;
  }

  async #isReplaced({ key, etag: listed }: ListedObject): Promise<boolean> {
    if (this.#replaced.get(key) === listed) return true;
    const changes = this.#changes.get(key) ?? 0;
    if (changes >= MOST_CHANGES) return false;
    let etag: string | undefined;
    try {
      etag = await this.options.store.once((store) => store.peek(key));
    } catch (error) {
      // the next listing asks again, unless the object itself is what cannot be had
      if (!(error instanceof UnreadableObject)) return false;
      etag = '';
    }
    if (etag === undefined) return false; // it is gone
    if (!(await this.options.functions.noteListedEtag(key, etag, listed))) {
      this.#replaced.set(key, listed);
      return true;
    }
    this.#changes.set(key, changes + 1);
    if (!this.#isSaid) {
      this.#isSaid = true;
      this.options.log.warn(
        { key, listed, read: etag },
        'the listings of this store show other ETags than its objects have; listings are compared with listings',
      );
    }
    return false;
  }
}
