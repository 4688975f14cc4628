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
 * The objects that wait, and the rule which may be applied next: always the smallest number. The sequence is
 * expected to begin at 1 (0 if there is a 0) and to have no gaps; a missing number is waited for, then passed over.
 * What turns up after its number was passed may be applied at once. Times are milliseconds of any steady clock.
 */
export class Backlog {
  readonly #waiting = new Map<string, PendingObject>();
  readonly #claims = new Map<string, Claim>();
  #sorted: PendingObject[] = [];
  /** Since when each object is listed without being there. */
  readonly #missingSince = new Map<string, number>();
  #gapSince: number | undefined;
  #isMissingAwaited = false;
  #position: bigint;

  /** `position`: the greatest number dealt with so far; 0 before the first. */
  constructor(
    private readonly gapTimeoutMs: number,
    position: bigint,
  ) {
    this.#position = position;
  }

  /** Objects that wait or are in hand. */
  get size(): number {
    return this.#waiting.size + this.#claims.size;
  }

  /** Whether a missing number is being waited for. */
  get isGapOpen(): boolean {
    return this.#gapSince !== undefined || this.#isMissingAwaited;
  }

  /** Whether anything waits but objects that are listed, though they have not been there for too long. */
  hasWork(now: number): boolean {
    return [...this.#waiting.keys()].some((key) => now < this.#waitForMissing(key));
  }

  /** When the oldest object was put into S3; null if none waits. */
  get oldestAt(): Date | null {
    let oldest: Date | null = null;
    const consider = ({ lastModified }: PendingObject) => {
      if (oldest === null || lastModified < oldest) oldest = lastModified;
    };
    for (const object of this.#waiting.values()) consider(object);
    for (const { object } of this.#claims.values()) consider(object);
    return oldest;
  }

  /** Adds what a listing found; what waits already, or is in hand, stays as it is. */
  add(objects: readonly PendingObject[]): void {
    const added = objects.filter(({ key }) => !this.#waiting.has(key) && !this.#claims.has(key));
    if (added.length === 0) return;
    for (const object of added) this.#waiting.set(object.key, object);
    this.#sorted = [...this.#sorted, ...added].sort(inOrder);
  }

  /** What waits, in order, whether it may be applied yet or not: the first ones are worth fetching ahead. */
  get upcoming(): readonly PendingObject[] {
    return this.#sorted;
  }

  /**
   * Takes the next object in hand, if its turn has come. `listedAt`: when the last full listing began; a number is
   * passed over only if one that began after the wait still lacked it, not while the store cannot be listed.
   * @returns the object and how many numbers before it are passed over; or until when a missing number is waited for;
   * or nothing, if nothing waits.
   */
  claim(
    now: number,
    listedAt = now,
  ): { object: PendingObject; skipped: bigint } | { waitUntil: number } | undefined {
    const object = this.#sorted[0];
    this.#isMissingAwaited = false;
    if (!object) {
      // -Infinity if none is missing
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

  /** The object is applied or quarantined. */
  markDone(object: PendingObject): void {
    this.#claims.delete(object.key);
    this.#missingSince.delete(object.key);
  }

  /** Until when an object is waited for that is listed, but not there; for any other, without end. */
  #waitForMissing(key: string): number {
    return (this.#missingSince.get(key) ?? Infinity) + this.gapTimeoutMs;
  }

  /**
   * The object last claimed was listed, but is not there: its number is missing, until a listing shows it again. The
   * wait for it goes on from where it was.
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
