import type pg from 'pg';
import { SqlFunctions, type AppliedChunk } from '../../src/database/functions.js';

export interface Row {
  customer: string;
  gender?: string;
  merchant: string;
  amount?: string | number;
}

export interface Detection {
  pattern: string;
  merchant: string;
  customer: string;
  chunk: number;
}

/** The same row, so many times. */
export function times(count: number, row: Row): Row[] {
  return Array.from({ length: count }, () => row);
}

/**
 * Applies chunks as mechanism Y does, but from rows in a test: they are put where COPY would put them, in the order
 * given, already cleaned.
 */
export class ChunkDriver {
  #chunks = 0;

  private constructor(
    readonly client: pg.Client,
    readonly functions: SqlFunctions,
    readonly runId: number,
  ) {}

  static async start(client: pg.Client): Promise<ChunkDriver> {
    const functions = new SqlFunctions(client);
    await functions.openStaging();
    const runId = await functions.registerRun();
    await functions.tryTakeOver(runId);
    return new ChunkDriver(client, functions, runId);
  }

  /** A second session of the same run, as mechanism Y has. */
  async startSecond(client: pg.Client): Promise<ChunkDriver> {
    const functions = new SqlFunctions(client);
    await functions.openStaging();
    return new ChunkDriver(client, functions, this.runId);
  }

  async apply(
    rows: readonly Row[],
    { key = this.#nextKey(), batchRows = 50 }: { key?: string; batchRows?: number } = {},
  ): Promise<AppliedChunk> {
    await this.client.query('begin');
    try {
      await this.#stage(
        rows.map(({ customer, gender = 'F', merchant, amount = 10 }) => ({
          customer,
          gender,
          merchant,
          amount,
        })),
      );
      const chunk = await this.functions.processChunk({
        runId: this.runId,
        objectKey: key,
        etag: 'test',
        sizeBytes: 0,
        copyMs: 0,
        batchRows,
        detectionsPrefix: 'detections/',
      });
      await this.client.query('commit');
      return chunk;
    } catch (error) {
      await this.client.query('rollback');
      throw error;
    }
  }

  /** Loads importance from (customer, merchant, weight). */
  async loadWeights(
    weights: readonly { customer: string; merchant: string; weight: string | number }[],
  ): Promise<void> {
    await this.client.query('begin');
    await this.#stage(
      weights.map(({ customer, merchant, weight }) => ({ customer, gender: '', merchant, amount: weight })),
    );
    await this.functions.loadImportance(this.runId, 'test-importance.csv', `test ${Math.random()}`);
    await this.client.query('commit');
  }

  /** All detections in their order. */
  async detections(): Promise<Detection[]> {
    const { rows } = await this.client.query<Detection>(
      `select pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
       from bankpulse.detections order by detection_id`,
    );
    return rows;
  }

  /** The customers detected for a pattern at a merchant, in order. */
  async detected(pattern: string, merchant: string): Promise<string[]> {
    return (await this.detections())
      .filter((detection) => detection.pattern === pattern && detection.merchant === merchant)
      .map(({ customer }) => customer);
  }

  /** Changes thresholds of a pattern, the others stay; it takes effect with the next chunk. */
  async setThresholds(pattern: string, thresholds: Record<string, number>): Promise<void> {
    await this.client.query(
      'update bankpulse.patterns set thresholds = thresholds || $2::jsonb where pattern_id = $1',
      [pattern, JSON.stringify(thresholds)],
    );
  }

  /**
   * An empty chunk. The first chunk after a change of thresholds or weights asks pattern_matches too; the one after
   * this is judged by the detect functions alone.
   */
  async settle(): Promise<void> {
    await this.apply([]);
  }

  /** Each driver of a database has numbers of its own. */
  #nextKey(): string {
    return `test/${this.runId}${String(++this.#chunks).padStart(6, '0')}.csv`;
  }

  async #stage(
    rows: { customer: string; gender: string; merchant: string; amount: string | number }[],
  ): Promise<void> {
    await this.client.query(
      `insert into staged_rows (customer_id, placed_gender, merchant_id, amount)
       select customer, bankpulse.placed_gender(place, gender), merchant, amount
       from unnest($1::text[], $2::text[], $3::text[], $4::numeric[]) with ordinality
         as staged (customer, gender, merchant, amount, place)`,
      [
        rows.map(({ customer }) => customer),
        rows.map(({ gender }) => gender),
        rows.map(({ merchant }) => merchant),
        rows.map(({ amount }) => String(amount)),
      ],
    );
  }
}
