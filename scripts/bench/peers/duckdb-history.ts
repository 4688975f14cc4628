import { Duckdb, duckdbParameters, type DuckdbPlace, type Parameters } from './duckdb.js';
import type { Detection, Peer, PeerChunk } from './peer.js';
import type { Thresholds } from './thresholds.js';

/** Names of up to 12 bytes, BankSim's, lie in DuckDB's vectors themselves; amounts are whole numbers of 64 bits. */
const CREATE_TABLES = `
  create table transactions (merchant_id varchar, customer_id varchar, gender varchar, amount decimal(18, 6));

  create table detections (pattern_id varchar, merchant_id varchar, customer_id varchar, chunk_no integer);
`;

/** The weights do not change with the stream: who is in the bottom share is found out once, outside of what is timed. */
const RANK_WEIGHTS = `
  create table low_weights as
  with ranked_weights as (
    select
      merchant_id,
      customer_id,
      percent_rank() over (partition by merchant_id order by average_weight) as weight_percent_rank
    from read_csv(
      $weights_csv, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
      columns = {merchant_id: 'varchar', customer_id: 'varchar', average_weight: 'decimal(38, 10)'}
    )
  )
  select merchant_id, customer_id
  from ranked_weights
  where weight_percent_rank <= $weight_percent_rank_up_to::double
`;

/** Without sniffing at the file first, which would take three times as long. Rows keep the file's order. */
const APPEND_TRANSACTIONS = `
  insert into transactions
  select merchant, customer, gender, amount
  from read_csv(
    $files, auto_detect = false, header = true, delim = ',', quote = '''', escape = '''',
    columns = {
      step: 'varchar', customer: 'varchar', age: 'varchar', gender: 'varchar', zipcode_ori: 'varchar',
      merchant: 'varchar', zip_merchant: 'varchar', category: 'varchar', amount: 'decimal(18, 6)', fraud: 'varchar'
    }
  )
`;

/** percent_rank() compares exactly, as in rows.ts; rowid is the order of the stream, as nothing is ever deleted. */
const DETECT = `
  insert into detections
  with pairs as materialized (
    select
      merchant_id,
      customer_id,
      count(*) as transaction_count,
      sum(amount) as total_amount,
      arg_min(gender, rowid) as gender
    from transactions
    group by merchant_id, customer_id
  ),
  merchants as materialized (
    select
      merchant_id,
      sum(transaction_count) as transaction_count,
      count(*) filter (where gender = 'F') as female_count,
      count(*) filter (where gender = 'M') as male_count
    from pairs
    group by merchant_id
  ),
  busy_merchants as (
    select merchant_id from merchants where transaction_count > $merchant_transactions_above::decimal(18, 3)
  ),
  ranked_pairs as (
    select
      merchant_id,
      customer_id,
      percent_rank() over (partition by merchant_id order by transaction_count) as count_percent_rank
    from pairs
    semi join busy_merchants using (merchant_id)
  ),
  matches as (
    select 'PatId1' as pattern_id, merchant_id, customer_id
    from ranked_pairs
    semi join low_weights using (merchant_id, customer_id)
    where count_percent_rank >= $count_percent_rank_from::double
    union all
    select 'PatId2', merchant_id, customer_id
    from pairs
    where
      transaction_count >= $transactions_from::decimal(18, 3)
      and total_amount < $average_amount_below::decimal(18, 6) * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from merchants
    where female_count > $female_customers_above::decimal(18, 3) and female_count < male_count
  )
  select pattern_id, merchant_id, customer_id, $chunk_no
  from matches
  anti join detections using (pattern_id, merchant_id, customer_id)
`;

/** DuckDB, a table of all transactions, from which everything is worked out for each chunk. */
export class DuckdbHistory implements Peer {
  readonly name = 'duckdb_history';
  readonly about = 'DuckDB, all transactions kept, everything worked out anew';

  private constructor(
    private readonly database: Duckdb,
    private readonly parameters: Parameters,
  ) {}

  static async open(
    { databaseFile, weightsCsv }: DuckdbPlace,
    thresholds: Thresholds,
  ): Promise<DuckdbHistory> {
    const database = await Duckdb.open(databaseFile);
    const parameters = duckdbParameters(thresholds);
    await database.run(CREATE_TABLES);
    await database.run(RANK_WEIGHTS, { ...parameters, weights_csv: weightsCsv });
    return new DuckdbHistory(database, parameters);
  }

  async apply({ number, file }: PeerChunk): Promise<Detection[]> {
    await this.database.run('begin');
    await this.database.run(APPEND_TRANSACTIONS, { files: [file] });
    await this.database.run(DETECT, { ...this.parameters, chunk_no: number });
    await this.database.run('commit');
    return this.database.detectionsOf(number);
  }

  async load(files: readonly string[], detections: readonly Detection[]): Promise<void> {
    if (files.length > 0) await this.database.run(APPEND_TRANSACTIONS, { files });
    await this.database.setDetections(detections);
    await this.database.run('checkpoint');
  }

  close(): Promise<void> {
    this.database.close();
    return Promise.resolve();
  }
}
