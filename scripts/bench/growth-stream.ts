import { Random } from '../../src/generate/random.js';
import { BARE_HEADER, CHUNK_ROWS, type InputChunk } from './input.js';

const SEED = 1;
const MERCHANTS = 2000;
const ROWS_PER_CUSTOMER = 10;
const ROWS_PER_WEIGHT = 5;
const ROWS_PER_STEP = 50_000;
const CUSTOMER_FLATTENING = 1000; // without it, one customer of a million would make a fourteenth of all rows
const FAVOURITES = 2; // merchants of a customer, who visits one of them half of the time

/** Draws n below `count` with a weight of 1 / (n + 1 + flattening): Zipf's law, with Mandelbrot's flattening of the top. */
function zipf(count: number, flattening: number): (random: Random) => number {
  // whole numbers, so that every machine draws the same; for a million their sum is below 2^32, the range of `Random`
  const sums = new Float64Array(count);
  let sum = 0;
  for (let n = 0; n < count; n++) sums[n] = sum += Math.ceil(2 ** 28 / (n + 1 + flattening));
  return (random) => {
    const drawn = random.below(sum);
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > drawn) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Gives different indexes below 2^31 different names, because the factor is odd. */
const nameOf = (letter: string, index: number) => `${letter}${Math.imul(index + 1, 0x9e3779b1) & 0x7fffffff}`;
/** As BankSim writes amounts, but always with two decimals. */
const amountOf = (cents: number) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

/**
 * A stream of any length: Zipf-skewed merchants and many customers. Half of a customer's visits go to a few favourites,
 * so that known pairs come again and new ones never end. It is generated chunk by chunk.
 */
export function growthStream(rows: number, signal: AbortSignal) {
  const customerCount = Math.ceil(rows / ROWS_PER_CUSTOMER);
  const drawMerchant = zipf(MERCHANTS, 0);
  const drawCustomer = zipf(customerCount, CUSTOMER_FLATTENING);
  const people = new Random(SEED);
  const genders = Uint8Array.from({ length: customerCount }, () => people.below(100));
  const favourites = Uint16Array.from({ length: customerCount * FAVOURITES }, () => drawMerchant(people));

  function visit(random: Random): { customer: number; merchant: number } {
    const customer = drawCustomer(random);
    if (random.below(2) !== 0) return { customer, merchant: drawMerchant(random) };
    return { customer, merchant: favourites[customer * FAVOURITES + random.below(FAVOURITES)]! };
  }

  function transaction(random: Random, row: number): string {
    const { customer, merchant } = visit(random);
    const gender = genders[customer]! < 50 ? 'F' : genders[customer]! < 99 ? 'M' : 'E';
    // the average price of a merchant is between 10 and 70
    const amount = amountOf(random.below(2000 + 200 * ((merchant * 7) % 60)));
    const step = Math.floor(row / ROWS_PER_STEP);
    return `${step},'${nameOf('C', customer)}','${customer % 7}','${gender}','28007','${nameOf('M', merchant)}','28007','es_food',${amount},0\n`;
  }

  /** Chunks as X writes them, without end. */
  function* chunks(): Generator<InputChunk, never, undefined> {
    const random = new Random(SEED + 1);
    for (let done = 0; ; done += CHUNK_ROWS) {
      signal.throwIfAborted();
      let text = `${BARE_HEADER}\n`;
      for (let row = done; row < done + CHUNK_ROWS; row++) text += transaction(random, row);
      yield { number: 1 + done / CHUNK_ROWS, rows: CHUNK_ROWS, content: Buffer.from(text, 'latin1') };
    }
  }

  /** The lines of the importance file. Its pairs are drawn as those of the stream, but anew. */
  function* importance(): Generator<string, void, undefined> {
    const random = new Random(SEED + 2);
    yield 'Source,Target,Weight,typeTrans,fraud\n';
    for (let row = 0; row < rows / ROWS_PER_WEIGHT; row++) {
      const { customer, merchant } = visit(random);
      const weight = amountOf(random.below(100_000));
      yield `'${nameOf('C', customer)}','${nameOf('M', merchant)}',${weight},'es_food',0\n`;
    }
  }

  const busyMerchantTransactions = Math.round(rows / 2500); // the final number of the 300th merchant, about
  return { customerCount, chunkCount: rows / CHUNK_ROWS, busyMerchantTransactions, chunks, importance };
}
