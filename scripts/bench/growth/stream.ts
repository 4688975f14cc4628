import { Random } from '../../../src/generate/random.js';
import { BARE_HEADER } from '../bare-copy.js';
import { CHUNK_ROWS, type InputChunk } from '../input.js';
import { Zipf } from './zipf.js';

const IMPORTANCE_HEADER = 'Source,Target,Weight,typeTrans,fraud\n';
const MERCHANTS = 2000;
const ROWS_PER_CUSTOMER = 10;
const ROWS_PER_STEP = 50_000;
/** Without it one customer of a million would make a fourteenth of all transactions. */
const CUSTOMER_FLATTENING = 1000;
/** Where a customer goes half of the time. */
const FAVOURITES = 2;
/** One weight for so many transactions. */
const ROWS_PER_WEIGHT = 5;
/** Of 100 customers; the others are enterprises. */
const WOMEN = 50;
const MEN = 49;
const BLOCK_ROWS = 10_000;

/** Different for different numbers below 2^31: an odd factor loses nothing. */
const nameOf = (letter: string, index: number) => `${letter}${Math.imul(index + 1, 0x9e3779b1) & 0x7fffffff}`;

/**
 * A stream of any length, by its seed alone: Zipf-skewed merchants, many customers, half of whose visits go to few
 * favourites, so that known pairs come again and new ones never end. Made chunk by chunk, never whole in memory.
 */
export class GrowthStream {
  readonly customerCount: number;
  readonly #merchants = new Zipf(MERCHANTS);
  readonly #customers: Zipf;
  readonly #genders: Uint8Array;
  readonly #favourites: Uint16Array;

  constructor(
    readonly rows: number,
    private readonly seed: number,
  ) {
    this.customerCount = Math.ceil(rows / ROWS_PER_CUSTOMER);
    this.#customers = new Zipf(this.customerCount, CUSTOMER_FLATTENING);
    const random = new Random(seed);
    this.#genders = Uint8Array.from({ length: this.customerCount }, () => random.below(100));
    this.#favourites = Uint16Array.from({ length: this.customerCount * FAVOURITES }, () =>
      this.#merchants.draw(random),
    );
  }

  get chunkCount(): number {
    return Math.ceil(this.rows / CHUNK_ROWS);
  }

  /** About how many transactions the 300th merchant has at the end: several hundred have more. */
  get busyMerchantTransactions(): number {
    return Math.round(this.rows / 2500);
  }

  /** The chunks as X writes them. */
  *chunks(): Generator<InputChunk, void, undefined> {
    const random = new Random(this.seed + 1);
    for (let made = 0, number = 1; made < this.rows; made += CHUNK_ROWS, number++) {
      const rows = Math.min(CHUNK_ROWS, this.rows - made);
      let text = `${BARE_HEADER}\n`;
      for (let row = 0; row < rows; row++) text += this.#transaction(random, made + row);
      yield { number, rows, content: Buffer.from(text, 'latin1') };
    }
  }

  /** The importance file, block by block: pairs drawn as the stream's are, each with weights of its own. */
  *importance(): Generator<string, void, undefined> {
    const random = new Random(this.seed + 2);
    const count = Math.ceil(this.rows / ROWS_PER_WEIGHT);
    yield IMPORTANCE_HEADER;
    for (let made = 0; made < count; made += BLOCK_ROWS) {
      let text = '';
      for (let row = made; row < Math.min(made + BLOCK_ROWS, count); row++) {
        const { customer, merchant } = this.#visit(random);
        const weight = centsText(random.below(100_000));
        text += `'${nameOf('C', customer)}','${nameOf('M', merchant)}',${weight},'es_food',0\n`;
      }
      yield text;
    }
  }

  #visit(random: Random): { customer: number; merchant: number } {
    const customer = this.#customers.draw(random);
    const merchant =
      random.below(2) === 0
        ? this.#favourites[customer * FAVOURITES + random.below(FAVOURITES)]!
        : this.#merchants.draw(random);
    return { customer, merchant };
  }

  #transaction(random: Random, row: number): string {
    const { customer, merchant } = this.#visit(random);
    const drawn = this.#genders[customer]!;
    const gender = drawn < WOMEN ? 'F' : drawn < WOMEN + MEN ? 'M' : 'E';
    // each merchant has prices of its own: on average 10 to 70
    const amount = centsText(random.below(2000 + 200 * ((merchant * 7) % 60)));
    const step = Math.floor(row / ROWS_PER_STEP);
    return `${step},'${nameOf('C', customer)}','${customer % 7}','${gender}','28007','${nameOf('M', merchant)}','28007','es_food',${amount},0\n`;
  }
}

/** Cents as BankSim writes amounts, but always with two decimals. */
function centsText(cents: number): string {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
}
