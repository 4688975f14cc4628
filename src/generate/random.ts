/** Seeded random numbers from 32-bit integer arithmetic (sfc32): the same on every machine, unlike `Math.log`. */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9 | 0;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    // The first numbers of seeds that differ in one bit are alike; after a dozen rounds they have nothing in common.
    for (let round = 0; round < 15; round++) this.below(1);
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return Math.floor(((sum >>> 0) * limit) / 2 ** 32);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  shuffle<Item>(items: Item[]): Item[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [items[last], items[other]] = [items[other]!, items[last]!];
    }
    return items;
  }
}

/** Draws indexes without replacement: at the end each index was drawn exactly as often as its count says. */
export class Urn {
  left: number;
  readonly #counts: number[];

  constructor(counts: readonly number[]) {
    this.#counts = [...counts];
    this.left = sum(counts);
  }

  /** The index that was drawn. */
  draw(random: Random): number {
    let rest = random.below(this.left--);
    const drawn = this.#counts.findIndex((count) => (rest -= count) < 0);
    this.#counts[drawn]!--;
    return drawn;
  }
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Splits a total in proportion to weights, into whole numbers of at least `least` where the total suffices. */
export function apportion(total: number, weights: readonly number[], least = 0): number[] {
  const floor = total >= least * weights.length ? least : 0;
  const shared = total - floor * weights.length;
  const whole = sum(weights) - floor * weights.length;
  let weighed = 0;
  let given = 0;
  return weights.map((weight) => {
    weighed += weight - floor;
    const due = Math.floor((2 * shared * weighed + whole) / (2 * whole));
    const share = floor + due - given;
    given = due;
    return share;
  });
}

/** The value at `rank`, by linear interpolation between the two listed ranks around it, rounded to a whole number. */
export function interpolate(ranks: readonly number[], values: readonly number[], rank: number): number {
  const above = ranks.findIndex((listed, index) => index > 0 && rank <= listed);
  const [from, to] = [ranks[above - 1]!, ranks[above]!];
  const [low, high] = [values[above - 1]!, values[above]!];
  return low + Math.floor(((high - low) * (rank - from)) / (to - from) + 0.5);
}
