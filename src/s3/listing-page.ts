import { UserError } from '../errors.js';

/** What was asked for, and whether the store calls the page the last one. */
interface Page {
  bucket: string;
  prefix: string;
  startAfter: string | undefined;
  isLast: boolean;
}

/** The order of S3: by the bytes of UTF-8. It differs from that of JavaScript only where a key has surrogates. */
function isBefore(one: string, other: string): boolean {
  return /[\ud800-\udfff]/.test(one + other)
    ? Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0
    : one < other;
}

/**
 * Makes sure that a listing that goes on after this page's last key sees every object and comes to an end. A page that
 * is the last one may begin anew or be in any order: it holds all there is.
 * @throws UserError
 */
export function assertPage(
  objects: readonly { key: string }[],
  { bucket, prefix, startAfter, isLast }: Page,
): void {
  const foreign = objects.find(({ key }) => !key.startsWith(prefix));
  if (foreign) throw oddListing(bucket, `"${foreign.key}" is listed under the prefix "${prefix}"`);
  const last = objects.at(-1)?.key;
  if (isLast || last === undefined) return;
  if (startAfter !== undefined && !isBefore(startAfter, last)) {
    throw oddListing(
      bucket,
      `the page after "${startAfter}" ends with "${last}", so it never gets on: the store ignores StartAfter, or serves the older listing`,
    );
  }
  const back = objects.findIndex(({ key }, index) => index > 0 && isBefore(key, objects[index - 1]!.key));
  if (back > 0)
    throw oddListing(bucket, `"${objects[back]!.key}" is listed behind "${objects[back - 1]!.key}"`);
}

/** The store's listing cannot be relied on. */
export function oddListing(bucket: string, what: string): UserError {
  return new UserError(
    `the listing of bucket "${bucket}" cannot be used: ${what}. BankPulse needs a store with ListObjectsV2 and StartAfter, and keys in the order of their bytes`,
  );
}
