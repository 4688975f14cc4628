import { compareKeys } from '../s3/chunk-names.js';
import type { ListedObject } from '../s3/object-store.js';

/** An object in S3 that is to be applied. */
export interface PendingObject extends ListedObject {
  /** Null if chunks go by name. */
  number: bigint | null;
}

function inOrder(a: PendingObject, b: PendingObject): number {
  if (a.number !== null && b.number !== null && a.number !== b.number) return a.number < b.number ? -1 : 1;
  return compareKeys(a.key, b.key);
}

interface Claim {
  object: PendingObject;
  /** Whether its turn was over before it came. */
  isLate: boolean;
  /** Of the lost objects that were passed over for it: since when the last one was lost. */
  lostSince: number | undefined;
}

/** An object whose turn has come. */
export interface Claimed {
  object: PendingObject;
  /** How many before it are passed over. */
  skipped: bigint;
  /** Those of them that were listed, but could not be had. */
  lostKeys: readonly string[];
}

const MOST_NAMED = 5;

/** What is passed over for an object: the numbers before it that no object has, as a range, and these keys. */
export function describeMissing({ object, skipped, lostKeys }: Claimed, keys: readonly string[]): string {
  const count = skipped - BigInt(lostKeys.length);
  const last = (object.number ?? 0n) - 1n;
  const numbers = count > 1n ? [`${last - count + 1n} to ${last}`] : count === 1n ? [`${last}`] : [];
  const more = keys.length > MOST_NAMED ? [`${keys.length - MOST_NAMED} more`] : [];
  return [...numbers, ...keys.slice(0, MOST_NAMED), ...more].join(', ');
}

/** An object that was listed, but could not be had. */
interface LostObject {
  object: PendingObject;
  /** When the wait for it began. */
  since: number;
  /** Whether one behind it has been claimed, so that nothing waits for it any more. */
  isPassed: boolean;
  /** Whether the store has handed it out since, so that it waits to be read again. */
  isReleased: boolean;
}

/**
 * The objects that wait to be applied, and the rule for the next one: the smallest number comes first, or the smallest
 * key. Numbers are expected to begin at 1 (or at 0 if there is an object 0) and to have no gaps. The backlog waits for a
 * missing number, and for an object that was listed but is not there, until the gap timeout, then passes over it. It
 * waits once for several of them in a row. An object that appears after its turn may be applied at once. Times are
 * milliseconds of a monotonic clock.
 */
export class Backlog {
  readonly #waiting = new Map<string, PendingObject>();
  readonly #claims = new Map<string, Claim>();
  readonly #lost = new Map<string, LostObject>();
  /** The objects that are listed, and cannot be read at the moment; these are lost, too. */
  readonly #held = new Map<string, PendingObject>();
  #sorted: PendingObject[] = [];
  /** Since when the numbers before the next object are missing. */
  #gapSince: number | undefined;
  #isLostAwaited = false;
  /** The greatest number claimed or in the ledger; null if chunks go by name. */
  #position: bigint | null;
  #greatestKey: string | undefined;

  /** `position`: the greatest number in the ledger, 0 if there is none; null if chunks go by name. */
  constructor(
    private readonly gapTimeoutMs: number,
    position: bigint | null,
  ) {
    this.#position = position;
  }

  /** The number of objects that wait, are held or are claimed. */
  get size(): number {
    return this.#waiting.size + this.#held.size + this.#claims.size;
  }

  /** Whether the backlog waits for something that is missing. */
  get isGapOpen(): boolean {
    return this.#gapSince !== undefined || this.#isLostAwaited;
  }

  /**
   * Whether an object waits. An object that is listed, but missing for longer than the gap timeout, does not count,
   * unless the store has handed it out since.
   */
  hasWork(now: number): boolean {
    return [...this.#waiting.keys()].some((key) => {
      const lost = this.#lost.get(key);
      return !lost || lost.isReleased || now < lost.since + this.gapTimeoutMs;
    });
  }

  /** When the oldest of the objects that wait, are held or are claimed was put into S3; null if there are none. */
  get oldestAt(): Date | null {
    let oldest: Date | null = null;
    const consider = ({ lastModified }: PendingObject) => {
      if (oldest === null || lastModified < oldest) oldest = lastModified;
    };
    for (const object of this.#waiting.values()) consider(object);
    for (const object of this.#held.values()) consider(object);
    for (const { object } of this.#claims.values()) consider(object);
    return oldest;
  }

  /** Adds the objects of a listing that neither wait nor are held or claimed. @returns how many were not lost before. */
  add(objects: readonly PendingObject[]): number {
    const added = objects.filter(
      ({ key }) => !this.#waiting.has(key) && !this.#held.has(key) && !this.#claims.has(key),
    );
    if (added.length === 0) return 0;
    for (const object of added) this.#waiting.set(object.key, object);
    added.sort(inOrder);
    const last = this.#sorted.at(-1);
    // the pages of a listing come in the order of keys: sorting all that wait for each page would cost too much
    const isBehind = last === undefined || inOrder(last, added[0]!) < 0;
    this.#sorted = isBehind ? [...this.#sorted, ...added] : [...this.#sorted, ...added].sort(inOrder);
    return added.filter(({ key }) => !this.#lost.has(key)).length;
  }

  /** The objects that wait, in order, whether their turn has come or not: the first ones are worth reading ahead. */
  get upcoming(): readonly PendingObject[] {
    return this.#sorted;
  }

  /**
   * Claims the next object, if its turn has come. `listedAt`: when the last full listing began. What is missing is passed
   * over only if a full listing that began after the gap timeout still lacked it; so the wait goes on while the store
   * cannot be listed.
   * @returns the object, how many before it are passed over, and which of these were listed; or, while something is
   * missing, until when the backlog waits for it; or undefined, if nothing waits.
   */
  claim(now: number, listedAt = now): Claimed | { waitUntil: number } | undefined {
    const object = this.#sorted[0];
    if (!object) {
      const waitUntil = this.#lastDeadline(this.#lost.values());
      this.#isLostAwaited = now < waitUntil;
      return this.#isLostAwaited ? { waitUntil } : undefined;
    }
    const isLate = this.#isLate(object);
    const lost = isLate ? [] : this.#lostBefore(object);
    const missing = isLate ? 0n : this.#missingBefore(object);
    if (!isLate) {
      if (missing > 0n) this.#gapSince ??= now;
      const gapDeadline = missing > 0n ? this.#gapSince! + this.gapTimeoutMs : -Infinity;
      const waitUntil = Math.max(gapDeadline, this.#lastDeadline(lost));
      this.#isLostAwaited = lost.length > 0;
      if (Math.min(now, listedAt) < waitUntil) return { waitUntil };
      this.#pass(lost, object);
    }
    const lostSince = lost.length > 0 ? Math.max(...lost.map(({ since }) => since)) : undefined;
    this.#claims.set(object.key, { object, isLate, lostSince });
    this.#sorted.shift();
    this.#waiting.delete(object.key);
    const lostKeys = lost.map((each) => each.object.key);
    return { object, skipped: missing + BigInt(lost.length), lostKeys };
  }

  /** Releases the claim on an object that is applied or quarantined. */
  markDone(object: PendingObject): void {
    this.#claims.delete(object.key);
    this.#lost.delete(object.key);
  }

  /**
   * Releases the claim on an object that was listed although the store does not have it. It is missing until a listing
   * shows it again and it can be had. A wait for it that began earlier goes on. If lost objects were passed over for it,
   * its wait began with theirs.
   */
  markMissing(object: PendingObject, now: number): void {
    const claim = this.#claims.get(object.key);
    if (!claim) return;
    const { isLate, lostSince = now } = claim;
    this.#claims.delete(object.key);
    const { since, isPassed } = this.#lost.get(object.key) ?? { since: lostSince, isPassed: isLate };
    this.#lost.set(object.key, { object, since, isPassed, isReleased: false });
    this.#isLostAwaited ||= !isLate;
  }

  /** Releases the claim on an object that cannot be read: it is lost, whatever listings show, until `release`. */
  hold(object: PendingObject, now: number): void {
    this.markMissing(object, now);
    this.#held.set(object.key, object);
  }

  /** Puts a held object, which the store hands out again, among those that wait. */
  release(key: string): void {
    const object = this.#held.get(key);
    this.drop(key);
    const lost = this.#lost.get(key);
    if (lost) lost.isReleased = true;
    if (object) this.add([object]);
  }

  /** Forgets a held object. */
  drop(key: string): void {
    this.#held.delete(key);
  }

  /** Whether the object's turn is over: one behind it has been claimed or is in the ledger. */
  #isLate({ number, key }: PendingObject): boolean {
    if (this.#position !== null && number !== null) return number <= this.#position;
    return this.#greatestKey !== undefined && compareKeys(key, this.#greatestKey) < 0;
  }

  /** How many numbers are missing before the object. */
  #missingBefore({ number }: PendingObject): bigint {
    return this.#position === null || number === null ? 0n : number - this.#position - 1n;
  }

  /** The lost objects before this one that the backlog waits for. */
  #lostBefore(object: PendingObject): LostObject[] {
    return [...this.#lost.values()].filter(
      ({ object: lost, isPassed }) =>
        !isPassed && !this.#waiting.has(lost.key) && !this.#claims.has(lost.key) && inOrder(lost, object) < 0,
    );
  }

  /** When the wait for these ends; -Infinity if there are none. */
  #lastDeadline(lost: Iterable<LostObject>): number {
    return Math.max(...[...lost].map(({ since }) => since + this.gapTimeoutMs));
  }

  /** Passes over lost objects, up to this one. */
  #pass(lost: readonly LostObject[], { number, key }: PendingObject): void {
    for (const each of lost) each.isPassed = true;
    this.#isLostAwaited = false;
    this.#gapSince = undefined;
    if (this.#position === null) this.#greatestKey = key;
    else this.#position = number;
  }
}
