import type { Random } from '../../../src/generate/random.js';

/** A million weights of 1, 1/2, 1/3... sum up to less than 15, so that whole ones stay below 2^32, all `Random` tells apart. */
const SCALE = 2 ** 28;

/**
 * Draws from 0 to `count - 1`, each n with a weight of 1 / (n + 1 + flattening): Zipf's law, with Mandelbrot's
 * flattening of its top. The weights are whole numbers, so draws are the same on every machine.
 */
export class Zipf {
  /** The sum of the weights up to and with each. */
  readonly #sums: Float64Array;

  constructor(count: number, flattening = 0) {
    this.#sums = new Float64Array(count);
    let sum = 0;
    for (let index = 0; index < count; index++) {
      sum += Math.ceil(SCALE / (index + 1 + flattening));
      this.#sums[index] = sum;
    }
  }

  draw(random: Random): number {
    const drawn = random.below(this.#sums.at(-1)!);
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sums[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
