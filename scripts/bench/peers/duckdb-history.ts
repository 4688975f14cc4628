import { Duckdb, type DuckdbPlace } from './duckdb.js';
import type { Detection, Peer, PeerChunk } from './peer.js';
import type { Thresholds } from './thresholds.js';

const CREATE_TRANSACTIONS = `
  create table transactions (merchant_id varchar, customer_id varchar, gender varchar, amount decimal(18, 6))
`;

const APPEND_TRANSACTIONS = `
  insert into transactions
  from read_transactions($files)
`;

/**
 * rowid is the order of the stream, as nothing is ever deleted. Where a top share begins is found from how many
 * customers have how many transactions, which is far less to sort than all pairs; compared with decimals, exactly.
 */
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
  histogram as (
    select merchant_id, transaction_count, count(*) as customer_count
    from pairs
    semi join busy_merchants using (merchant_id)
    group by merchant_id, transaction_count
  ),
  ranked_counts as (
    select
      merchant_id,
      transaction_count,
      sum(customer_count) over (partition by merchant_id) as customer_count,
      sum(customer_count) over (partition by merchant_id order by transaction_count) - customer_count as smaller_counts
    from histogram
  ),
  top_counts as (
    select merchant_id, min(transaction_count) as top_count
    from ranked_counts
    where smaller_counts >= $count_percent_rank_from::decimal(9, 6) * greatest(customer_count - 1, 1)
    group by merchant_id
  ),
  matches as (
    select 'PatId1' as pattern_id, pairs.merchant_id, pairs.customer_id
    from pairs
    inner join top_counts using (merchant_id)
    semi join low_weights using (merchant_id, customer_id)
    where pairs.transaction_count >= top_counts.top_count
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
    private readonly thresholds: Thresholds,
  ) {}

  static async open(place: DuckdbPlace, thresholds: Thresholds): Promise<DuckdbHistory> {
    const database = await Duckdb.open(place, thresholds);
    await database.run(CREATE_TRANSACTIONS);
    return new DuckdbHistory(database, thresholds);
  }

  async apply({ number, file }: PeerChunk): Promise<Detection[]> {
    await this.database.run('begin');
    await this.database.run(APPEND_TRANSACTIONS, { files: [file] });
    await this.database.run(DETECT, { ...this.thresholds, chunk_no: number });
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
