import { DuckDBInstance, LIST, VARCHAR, listValue, type DuckDBConnection } from '@duckdb/node-api';
import type { Detection } from './peer.js';
import type { Thresholds } from './thresholds.js';

/** Where a peer's DuckDB lives, and the weights in a CSV file with a header: merchant_id, customer_id, average_weight. */
export interface DuckdbPlace {
  databaseFile: string;
  weightsCsv: string;
}

export type Parameters = Record<string, string | number | readonly string[]>;

/** A DuckDB in a file, with its defaults: all cores, its log synced at each commit. Ends with `close`. */
export class Duckdb {
  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  static async open(databaseFile: string): Promise<Duckdb> {
    const instance = await DuckDBInstance.create(databaseFile);
    return new Duckdb(instance, await instance.connect());
  }

  /** Statements one after the other; each knows the parameters it names. */
  async run(text: string, parameters: Parameters = {}): Promise<void> {
    const statements = await this.connection.extractStatements(text);
    for (let index = 0; index < statements.count; index++) {
      const statement = await statements.prepare(index);
      for (let parameter = 1; parameter <= statement.parameterCount; parameter++) {
        const value = parameters[statement.parameterName(parameter)];
        if (value === undefined) throw new Error(`no value for $${statement.parameterName(parameter)}`);
        if (typeof value === 'string') statement.bindVarchar(parameter, value);
        else if (typeof value === 'number') statement.bindInteger(parameter, value);
        else statement.bindValue(parameter, listValue(value), LIST(VARCHAR));
      }
      await statement.run();
      statement.destroySync();
    }
  }

  /** What was detected after a chunk; reads the table `detections`. */
  async detectionsOf(chunk: number): Promise<Detection[]> {
    const reader = await this.connection.runAndReadAll(
      'select pattern_id, merchant_id, customer_id, chunk_no from detections where chunk_no = $chunk_no',
      { chunk_no: chunk },
    );
    const rows = reader.getRows() as [string, string, string, number][];
    return rows.map(([pattern, merchant, customer, chunkNo]) => ({
      pattern,
      merchant,
      customer,
      chunk: chunkNo,
    }));
  }

  /** Makes these the content of the table `detections`. */
  async setDetections(detections: readonly Detection[]): Promise<void> {
    await this.run('delete from detections');
    const appender = await this.connection.createAppender('detections');
    for (const { pattern, merchant, customer, chunk } of detections) {
      appender.appendVarchar(pattern);
      appender.appendVarchar(merchant);
      appender.appendVarchar(customer);
      appender.appendInteger(chunk);
      appender.endRow();
    }
    appender.closeSync();
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }
}

/** Under the names that the statements use. */
export function duckdbParameters(thresholds: Thresholds): Parameters {
  return {
    merchant_transactions_above: thresholds.merchantTransactionsAbove,
    count_percent_rank_from: thresholds.countPercentRankFrom,
    weight_percent_rank_up_to: thresholds.weightPercentRankUpTo,
    transactions_from: thresholds.transactionsFrom,
    average_amount_below: thresholds.averageAmountBelow,
    female_customers_above: thresholds.femaleCustomersAbove,
  };
}
