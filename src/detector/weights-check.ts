import type { Kysely } from 'kysely';
import type { Views } from '../database/views.js';
import type { Logger } from '../log.js';
import { counted, readable } from '../text/numbers.js';

/** After so many chunks there are enough pairs to judge by. */
const AFTER_CHUNKS = 3;
/** Fewer pairs say little. */
const LEAST_PAIRS = 100;
/** With fewer weights than this share something is wrong with the file, not with single customers. */
const FEW = 0.1;

/** Says once if next to no customer of the stream has a weight: a pattern that compares weights would find nothing, in silence. */
export class WeightsCheck {
  #chunks = 0;
  #checking: Promise<void> | undefined;

  constructor(
    private readonly views: Kysely<Views>,
    private readonly log: Logger,
  ) {}

  onApplied(): void {
    if (++this.#chunks === AFTER_CHUNKS) void this.settle();
  }

  /** Looks, unless it has, or no chunk has been applied. */
  async settle(): Promise<void> {
    // what is away is told by those who need it
    if (this.#chunks > 0) await (this.#checking ??= this.#check().catch(() => undefined));
  }

  async #check(): Promise<void> {
    const from = this.views.selectFrom('weights_of_stream');
    const counts = await from.select(['pair_count', 'weighted_count']).executeTakeFirstOrThrow();
    const [pairs, weighted] = [Number(counts.pair_count), Number(counts.weighted_count)];
    if (pairs < LEAST_PAIRS || weighted >= FEW * pairs) return;
    const known = await from.select(['known_merchants', 'known_customers']).executeTakeFirstOrThrow();
    const reason = reasonOf(Number(known.known_merchants), Number(known.known_customers));
    this.log.warn(
      { pairs, weighted },
      `only ${readable(weighted)} of the first ${counted(pairs, 'pair')} of customer and merchant have a weight, ` +
        `so a pattern that compares weights, as UPGRADE does, finds next to nothing; ${reason}`,
    );
  }
}

function reasonOf(merchants: number, customers: number): string {
  const remedy = 'set IMPORTANCE_CSV to the file of this stream, and start again';
  if (merchants === 0 && customers === 0) {
    return `none of their names stands in it: is it the file of another stream, or does it write names with other quotes or prefixes? ${remedy}`;
  }
  if (merchants === 0)
    return `its customers are known, its merchants (Target) are none of the stream: ${remedy}`;
  if (customers === 0)
    return `its merchants are known, its customers (Source) are none of the stream: ${remedy}`;
  return `it has the names and not these pairs: does it cover another time? ${remedy}`;
}
