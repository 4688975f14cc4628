import { DuckDBInstance, LIST, VARCHAR, listValue, type DuckDBConnection } from '@duckdb/node-api';
import type { Detection } from './peer.js';
import type { Thresholds } from './thresholds.js';

/** Where a peer's DuckDB lives, and the weights in a CSV file with a header: merchant_id, customer_id, average_weight. */
export interface DuckdbPlace {
  databaseFile: string;
  weightsCsv: string;
}

export type Parameters = Readonly<Record<string, string | number | readonly string[]>>;

/**
 * Both without sniffing at the file first, which would take three times as long. Rows keep the file's order. Amounts are
 * whole numbers of 64 bits; names of up to 12 bytes, BankSim's, lie in DuckDB's vectors themselves.
 */
const CREATE_READERS = `
  create macro read_transactions(files) as table
  select merchant as merchant_id, customer as customer_id, gender, amount
  from read_csv(
    files, auto_detect = false, header = true, delim = ',', quote = '''', escape = '''',
    columns = {
      step: 'varchar', customer: 'varchar', age: 'varchar', gender: 'varchar', zipcode_ori: 'varchar',
      merchant: 'varchar', zip_merchant: 'varchar', category: 'varchar', amount: 'decimal(18, 6)', fraud: 'varchar'
    }
  );

  create macro read_weights(file) as table
  from read_csv(
    file, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    columns = {merchant_id: 'varchar', customer_id: 'varchar', average_weight: 'decimal(38, 10)'}
  );
`;

const CREATE_DETECTIONS = `
  create table detections (pattern_id varchar, merchant_id varchar, customer_id varchar, chunk_no integer)
`;

/** The weights do not change with the stream: who is in the bottom share is found out once, outside of what is timed. */
const RANK_WEIGHTS = `
  create table low_weights as
  select merchant_id, customer_id
  from read_weights($weights_csv)
  qualify
    percent_rank() over (partition by merchant_id order by average_weight) <= $weight_percent_rank_up_to::double
`;

/**
 * A DuckDB in a file, with its defaults: all cores, its log synced at each commit. It has the tables `detections` and
 * `low_weights`, and `read_transactions` to read chunks with. Ends with `close`.
 */
export class Duckdb {
  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
  ) {}

  static async open({ databaseFile, weightsCsv }: DuckdbPlace, thresholds: Thresholds): Promise<Duckdb> {
    const instance = await DuckDBInstance.create(databaseFile);
    const database = new Duckdb(instance, await instance.connect());
    try {
      await database.run(CREATE_READERS);
      await database.run(CREATE_DETECTIONS);
      await database.run(RANK_WEIGHTS, { ...thresholds, weights_csv: weightsCsv });
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
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
