import type { ListedObject } from '../s3/object-store.js';

/** An object in S3 that is neither applied nor quarantined. */
export interface PendingObject extends ListedObject {
  number: bigint;
}

function inOrder(a: PendingObject, b: PendingObject): number {
  if (a.number !== b.number) return a.number < b.number ? -1 : 1;
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}

interface Claim {
  object: PendingObject;
  positionBefore: bigint;
  gapSinceBefore: number | undefined;
}

/**
 * The objects that wait to be applied, and the rule for the next one: the smallest number comes first. The sequence is
 * expected to begin at 1 (or at 0 if there is an object 0) and to have no gaps. The backlog waits for a missing number
 * until the gap timeout, then passes over it. An object that appears after its number was passed over may be applied
 * at once. Times are milliseconds of a monotonic clock.
 */
export class Backlog {
  readonly #waiting = new Map<string, PendingObject>();
  readonly #claims = new Map<string, Claim>();
  #sorted: PendingObject[] = [];
  /** For each key that was listed although the store does not have the object: when that was found first. */
  readonly #missingSince = new Map<string, number>();
  #gapSince: number | undefined;
  #isMissingAwaited = false;
  #position: bigint;

  /** `position`: the greatest number in the ledger; 0 if there is none. */
  constructor(
    private readonly gapTimeoutMs: number,
    position: bigint,
  ) {
    this.#position = position;
  }

  /** The number of objects that wait or are claimed. */
  get size(): number {
    return this.#waiting.size + this.#claims.size;
  }

  /** Whether the backlog waits for a missing number. */
  get isGapOpen(): boolean {
    return this.#gapSince !== undefined || this.#isMissingAwaited;
  }

  /** Whether an object waits. An object that is listed, but missing for longer than the gap timeout, does not count. */
  hasWork(now: number): boolean {
    return [...this.#waiting.keys()].some((key) => now < this.#missingDeadline(key));
  }

  /** When the oldest of the objects that wait or are claimed was put into S3; null if there are none. */
  get oldestAt(): Date | null {
    let oldest: Date | null = null;
    const consider = ({ lastModified }: PendingObject) => {
      if (oldest === null || lastModified < oldest) oldest = lastModified;
    };
    for (const object of this.#waiting.values()) consider(object);
    for (const { object } of this.#claims.values()) consider(object);
    return oldest;
  }

  /** Adds the objects of a listing; ignores those that already wait or are claimed. */
  add(objects: readonly PendingObject[]): void {
    const added = objects.filter(({ key }) => !this.#waiting.has(key) && !this.#claims.has(key));
    if (added.length === 0) return;
    for (const object of added) this.#waiting.set(object.key, object);
    this.#sorted = [...this.#sorted, ...added].sort(inOrder);
  }

  /** The objects that wait, in order, whether their turn has come or not: the first ones are worth reading ahead. */
  get upcoming(): readonly PendingObject[] {
    return this.#sorted;
  }

  /**
   * Claims the next object, if its turn has come. `listedAt`: when the last full listing began. A number is passed over
   * only if a full listing that began after the gap timeout still lacked it; so the wait goes on while the store cannot
   * be listed.
   * @returns the object and how many numbers before it are passed over; or, while a number is missing, until when the
   * backlog waits for it; or undefined, if nothing waits.
   */
  claim(
    now: number,
    listedAt = now,
  ): { object: PendingObject; skipped: bigint } | { waitUntil: number } | undefined {
    const object = this.#sorted[0];
    this.#isMissingAwaited = false;
    if (!object) {
      // -Infinity if no object is missing
      const waitUntil = Math.max(...this.#missingSince.values()) + this.gapTimeoutMs;
      this.#isMissingAwaited = now < waitUntil;
      if (this.#isMissingAwaited) return { waitUntil };
      this.#gapSince = undefined;
      return undefined;
    }
    const missing = object.number - this.#position - 1n;
    if (missing > 0n) {
      this.#gapSince ??= now;
      const waitUntil = this.#gapSince + this.gapTimeoutMs;
      if (Math.min(now, listedAt) < waitUntil) return { waitUntil };
    }
    this.#claims.set(object.key, { object, positionBefore: this.#position, gapSinceBefore: this.#gapSince });
    this.#sorted.shift();
    this.#waiting.delete(object.key);
    if (object.number > this.#position) this.#position = object.number;
    this.#gapSince = undefined;
    return { object, skipped: missing > 0n ? missing : 0n };
  }

  /** Releases the claim on an object that is applied or quarantined. */
  markDone(object: PendingObject): void {
    this.#claims.delete(object.key);
    this.#missingSince.delete(object.key);
  }

  /** When the wait for an object ends that is listed, but missing; Infinity for any other object. */
  #missingDeadline(key: string): number {
    return (this.#missingSince.get(key) ?? Infinity) + this.gapTimeoutMs;
  }

  /**
   * Releases the claim on the object last claimed, which was listed although the store does not have it. Its number is
   * missing until a listing shows it again. A wait for this number that began before the claim goes on.
   */
  markMissing(object: PendingObject, now: number): void {
    const claim = this.#claims.get(object.key);
    if (!claim) return;
    this.#claims.delete(object.key);
    if (!this.#missingSince.has(object.key)) this.#missingSince.set(object.key, now);
    this.#position = claim.positionBefore;
    this.#gapSince = claim.gapSinceBefore ?? now;
  }
}
