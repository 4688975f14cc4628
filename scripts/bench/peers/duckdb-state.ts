import { Duckdb, type DuckdbPlace } from './duckdb.js';
import type { Detection, Peer, PeerChunk } from './peer.js';
import type { Thresholds } from './thresholds.js';

/**
 * No table has an index: DuckDB does not join by one, and an upsert by primary key takes longer than what is done here.
 * pair_key, a hash of both names, is what pairs are looked for by: one number is compared faster than two names.
 */
const CREATE_TABLES = `
  create table pairs (
    pair_key ubigint, merchant_id varchar, customer_id varchar, gender varchar,
    transaction_count bigint, total_amount decimal(38, 6)
  );

  create table merchants (
    merchant_id varchar, transaction_count bigint, customer_count bigint, female_count bigint, male_count bigint
  );

  create table histogram (merchant_id varchar, transaction_count bigint, customer_count bigint);

  -- the pairs whose weight is in the bottom share and that are not detected, with their transactions so far
  create table candidates as
  select hash(merchant_id, customer_id) as pair_key, merchant_id, customer_id, 0::bigint as transaction_count
  from low_weights;
`;

const UPDATE_STATE = `
  create or replace temporary table staged_rows as
  from read_transactions($files);

  create or replace temporary table staged_pairs as
  select
    hash(merchant_id, customer_id) as pair_key,
    merchant_id,
    customer_id,
    arg_min(gender, rowid) as gender,
    count(*) as added_count,
    sum(amount) as added_amount
  from staged_rows
  group by merchant_id, customer_id;

  -- by the key alone, which reads one column of the state; who else may share a key is told apart below
  create or replace temporary table key_rows as
  select pairs.rowid as pair_row
  from pairs
  semi join staged_pairs using (pair_key);

  create or replace temporary table touched_pairs as
  with known_pairs as (
    select key_rows.pair_row, pairs.merchant_id, pairs.customer_id, pairs.transaction_count, pairs.total_amount
    from pairs
    inner join key_rows on key_rows.pair_row = pairs.rowid
  )
  select
    staged_pairs.*,
    known_pairs.pair_row,
    coalesce(known_pairs.transaction_count, 0) + staged_pairs.added_count as transaction_count,
    coalesce(known_pairs.total_amount, 0) + staged_pairs.added_amount as total_amount
  from staged_pairs
  left join known_pairs using (merchant_id, customer_id);

  update pairs
  set transaction_count = touched_pairs.transaction_count, total_amount = touched_pairs.total_amount
  from touched_pairs
  where pairs.rowid = touched_pairs.pair_row;

  insert into pairs
  select pair_key, merchant_id, customer_id, gender, transaction_count, total_amount
  from touched_pairs
  where pair_row is null;

  create or replace temporary table touched_merchants as
  select
    merchant_id,
    sum(added_count)::bigint as added_count,
    count(*) filter (where pair_row is null) as customer_count,
    count(*) filter (where pair_row is null and gender = 'F') as female_count,
    count(*) filter (where pair_row is null and gender = 'M') as male_count
  from touched_pairs
  group by merchant_id;

  update merchants
  set
    transaction_count = merchants.transaction_count + touched_merchants.added_count,
    customer_count = merchants.customer_count + touched_merchants.customer_count,
    female_count = merchants.female_count + touched_merchants.female_count,
    male_count = merchants.male_count + touched_merchants.male_count
  from touched_merchants
  where merchants.merchant_id = touched_merchants.merchant_id;

  insert into merchants
  select * from touched_merchants
  anti join merchants using (merchant_id);

  create or replace temporary table histogram_changes as
  select merchant_id, transaction_count, sum(change)::bigint as change
  from (
    select merchant_id, transaction_count, 1 as change
    from touched_pairs
    union all
    select merchant_id, transaction_count - added_count, -1
    from touched_pairs
    where pair_row is not null
  )
  group by merchant_id, transaction_count
  having sum(change) <> 0;

  update histogram
  set customer_count = histogram.customer_count + histogram_changes.change
  from histogram_changes
  where
    histogram.merchant_id = histogram_changes.merchant_id
    and histogram.transaction_count = histogram_changes.transaction_count;

  insert into histogram
  select * from histogram_changes
  anti join histogram using (merchant_id, transaction_count);

  update candidates
  set transaction_count = touched_pairs.transaction_count
  from touched_pairs
  where
    candidates.pair_key = touched_pairs.pair_key
    and candidates.merchant_id = touched_pairs.merchant_id
    and candidates.customer_id = touched_pairs.customer_id;
`;

/** A merchant nobody came to cannot have changed. Compared with whole numbers and decimals, exactly. */
const DETECT = `
  insert into detections
  with busy_merchants as (
    select merchant_id, customer_count
    from merchants
    semi join touched_merchants using (merchant_id)
    where transaction_count > $merchant_transactions_above::decimal(18, 3)
  ),
  ranked_counts as (
    select
      histogram.merchant_id,
      histogram.transaction_count,
      busy_merchants.customer_count,
      sum(histogram.customer_count) over (
        partition by histogram.merchant_id order by histogram.transaction_count
      ) - histogram.customer_count as smaller_counts
    from histogram
    inner join busy_merchants using (merchant_id)
    where histogram.customer_count > 0
  ),
  top_counts as (
    select merchant_id, min(transaction_count) as top_count
    from ranked_counts
    where smaller_counts >= $count_percent_rank_from::decimal(9, 6) * greatest(customer_count - 1, 1)
    group by merchant_id
  ),
  matches as (
    select 'PatId1' as pattern_id, candidates.merchant_id, candidates.customer_id
    from candidates
    inner join top_counts using (merchant_id)
    where candidates.transaction_count >= top_counts.top_count
    union all
    select 'PatId2', merchant_id, customer_id
    from touched_pairs
    where
      transaction_count >= $transactions_from::decimal(18, 3)
      and total_amount < $average_amount_below::decimal(18, 6) * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from merchants
    semi join touched_merchants using (merchant_id)
    where female_count > $female_customers_above::decimal(18, 3) and female_count < male_count
  )
  select pattern_id, merchant_id, customer_id, $chunk_no
  from matches
  anti join detections using (pattern_id, merchant_id, customer_id)
`;

const FORGET_DETECTED_CANDIDATES = `
  delete from candidates
  using detections
  where
    detections.pattern_id = 'PatId1'
    and detections.chunk_no >= $from_chunk_no
    and detections.merchant_id = candidates.merchant_id
    and detections.customer_id = candidates.customer_id
`;

/** DuckDB, with the running state that BankPulse keeps: pairs, merchants, histogram of counts, candidates. */
export class DuckdbState implements Peer {
  readonly name = 'duckdb_state';
  readonly about = 'DuckDB, the same running state as BankPulse';

  private constructor(
    private readonly database: Duckdb,
    private readonly thresholds: Thresholds,
  ) {}

  static async open(place: DuckdbPlace, thresholds: Thresholds): Promise<DuckdbState> {
    const database = await Duckdb.open(place, thresholds);
    await database.run(CREATE_TABLES);
    return new DuckdbState(database, thresholds);
  }

  async apply({ number, file }: PeerChunk): Promise<Detection[]> {
    await this.database.run('begin');
    await this.database.run(UPDATE_STATE, { files: [file] });
    await this.database.run(DETECT, { ...this.thresholds, chunk_no: number });
    const found = await this.database.detectionsOf(number);
    if (found.length > 0) await this.database.run(FORGET_DETECTED_CANDIDATES, { from_chunk_no: number });
    await this.database.run('commit');
    return found;
  }

  async load(files: readonly string[], detections: readonly Detection[]): Promise<void> {
    await this.database.run('begin');
    if (files.length > 0) await this.database.run(UPDATE_STATE, { files });
    await this.database.run('commit');
    await this.database.setDetections(detections);
    await this.database.run(FORGET_DETECTED_CANDIDATES, { from_chunk_no: 0 });
    await this.database.run('checkpoint');
  }

  close(): Promise<void> {
    this.database.close();
    return Promise.resolve();
  }
}
