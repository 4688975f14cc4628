import { CHUNK_STEM, compareKeys, isChunkKey } from '../s3/chunk-names.js';

interface NumberedKey {
  key: string;
  /** The key up to the digits. */
  stem: string;
  number: bigint;
}

/**
 * Parses a key if keys of the same stem with greater numbers sort behind it, as a rule: its number has leading zeros,
 * or at least as many digits as the numbers of X.
 */
function numberedKey(key: string): NumberedKey | undefined {
  const [, stem, digits] = /^(.*\D|)(0\d+|\d{8,})\.csv(?:\.gz)?$/is.exec(key) ?? [];
  return stem === undefined || digits === undefined ? undefined : { key, stem, number: BigInt(digits) };
}

/**
 * The key behind which a poll's page begins: the last key below which nothing is missing, as far as the cursor can know.
 * What it passes by is found by the full listings.
 */
export abstract class PollCursor {
  #resumeAfter: string | undefined;

  protected abstract get at(): string | undefined;

  /** Moves the cursor along the keys of a page, which are in the order of the listing. */
  abstract follow(keys: readonly string[], isLast: boolean): void;

  /** Undefined: the page begins at the first key. */
  get startAfter(): string | undefined {
    return this.#resumeAfter ?? this.at;
  }

  /** Makes the next page begin behind the last key of a page; at the cursor again after the last page (undefined). */
  resumeAfter(lastKey: string | undefined): void {
    this.#resumeAfter = lastKey;
  }
}

/** For chunks that go by name: the cursor stands at the greatest key that was seen. */
export class NameCursor extends PollCursor {
  #at: string | undefined;

  protected get at(): string | undefined {
    return this.#at;
  }

  follow(keys: readonly string[]): void {
    const last = keys.findLast(isChunkKey);
    if (last !== undefined && (this.#at === undefined || compareKeys(last, this.#at) > 0)) this.#at = last;
  }
}

/** For chunks that go by number: the cursor follows the numbers of one stem, and prefers the stem of X. */
export class NumberCursor extends PollCursor {
  readonly #ownStem: string;
  #at: NumberedKey | undefined;

  constructor(chunksPrefix: string) {
    super();
    this.#ownStem = chunksPrefix + CHUNK_STEM;
  }

  protected get at(): string | undefined {
    return this.#at?.key;
  }

  follow(keys: readonly string[], isLast: boolean): void {
    let lastOfStem: NumberedKey | undefined;
    for (const key of keys) {
      const found = numberedKey(key);
      if (found === undefined) continue;
      if (this.#at === undefined || (found.stem === this.#ownStem && this.#at.stem !== this.#ownStem))
        this.#at = found;
      if (found.stem !== this.#at.stem || found.number <= this.#at.number) continue;
      if (found.number === this.#at.number + 1n) this.#at = found;
      lastOfStem = found;
    }
    // a hole in a page that is not the last one is left to the full listings
    if (!isLast && lastOfStem !== undefined) this.#at = lastOfStem;
  }
}
