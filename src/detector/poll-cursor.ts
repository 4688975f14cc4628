import { CHUNK_STEM } from '../s3/chunk-names.js';

interface NumberedKey {
  key: string;
  /** What stands before the digits. */
  stem: string;
  number: bigint;
}

/**
 * A key that those of the same stem and greater numbers sort behind, as a rule: its number has leading zeros, or as
 * many digits as X's have.
 */
function numberedKey(key: string): NumberedKey | undefined {
  const [, stem, digits] = /^(.*\D|)(0\d+|\d{8,})\.csv(?:\.gz)?$/is.exec(key) ?? [];
  return stem === undefined || digits === undefined ? undefined : { key, stem, number: BigInt(digits) };
}

/**
 * Where a poll's page of a listing begins: behind the last key below which nothing is missing. That is found by
 * following the numbers of one stem, X's if it has chunks there. Other objects may lie anywhere.
 */
export class PollCursor {
  readonly #ownStem: string;
  #at: NumberedKey | undefined;
  #resumeAfter: string | undefined;

  constructor(chunksPrefix: string) {
    this.#ownStem = chunksPrefix + CHUNK_STEM;
  }

  /** Undefined: at the first key. */
  get startAfter(): string | undefined {
    return this.#resumeAfter ?? this.#at?.key;
  }

  /** A poll's page ended with this key before the end of the listing: the next one goes on there. */
  resumeAfter(lastKey: string | undefined): void {
    this.#resumeAfter = lastKey;
  }

  /** Moves along the keys of a page, which are in the order of the listing. */
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
    // a hole that a page does not reach over is left to the full listings
    if (!isLast && lastOfStem !== undefined) this.#at = lastOfStem;
  }
}
