import type { Kysely } from 'kysely';
import { describeMissingWeights, readWeightsOfStream } from '../database/status.js';
import type { Views } from '../database/views.js';
import type { Logger } from '../log.js';

/** After so many chunks there are enough pairs to judge by. */
const AFTER_CHUNKS = 3;

/** Warns once if next to no customer of the stream has a weight: a pattern that compares weights would find nothing, in silence. */
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
    // a warning is all this is for: the queries that mechanism Y needs report a database that is away
    if (this.#chunks > 0) await (this.#checking ??= this.#check().catch(() => undefined));
  }

  async #check(): Promise<void> {
    const counts = await readWeightsOfStream(this.views);
    const missing = describeMissingWeights(counts);
    if (missing === undefined) return;
    const known = await this.views
      .selectFrom('weights_of_stream')
      .select(['known_merchants', 'known_customers'])
      .executeTakeFirstOrThrow();
    const reason = reasonOf(Number(known.known_merchants), Number(known.known_customers));
    this.log.warn({ ...counts }, `${missing}; ${reason}`);
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
