import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { connect } from '../../../src/database.js';
import type { Detection, Peer, PeerChunk } from './peer.js';
import { readThresholds, type Thresholds } from './thresholds.js';

/** What its queries sort and hash stays in memory. */
const SET_UP = `
  set work_mem = '64MB';

  create schema peer_views;

  create table peer_views.transactions (
    step int, customer_id text collate "C", age text, gender text, zipcode_ori text,
    merchant_id text collate "C", zip_merchant text, category text, amount numeric, fraud text,
    transaction_id bigint generated always as identity (cache 1000)
  );

  create materialized view peer_views.customer_percentiles as
  with counts as (
    select merchant_id, customer_id, count(*) as transaction_count
    from peer_views.transactions
    group by merchant_id, customer_id
  ),
  ranked_counts as (
    select
      merchant_id,
      customer_id,
      transaction_count,
      sum(transaction_count) over (partition by merchant_id) as merchant_transactions,
      percent_rank() over (partition by merchant_id order by transaction_count) as count_percent_rank
    from counts
  ),
  ranked_weights as (
    select
      merchant_id,
      customer_id,
      average_weight,
      percent_rank() over (partition by merchant_id order by average_weight) as weight_percent_rank
    from bankpulse.customer_weights
  )
  select
    ranked_counts.*,
    ranked_weights.average_weight,
    ranked_weights.weight_percent_rank
  from ranked_counts
  left join ranked_weights
    on
      ranked_weights.merchant_id = ranked_counts.merchant_id
      and ranked_weights.customer_id = ranked_counts.customer_id;

  create materialized view peer_views.customer_averages as
  select
    merchant_id,
    customer_id,
    count(*) as transaction_count,
    sum(amount) as total_amount,
    avg(amount) as average_amount
  from peer_views.transactions
  group by merchant_id, customer_id;

  create materialized view peer_views.merchant_gender_counts as
  with first_transactions as (
    select min(transaction_id) as transaction_id
    from peer_views.transactions
    group by merchant_id, customer_id
  )
  select
    transactions.merchant_id,
    count(*) filter (where transactions.gender = 'F') as female_count,
    count(*) filter (where transactions.gender = 'M') as male_count
  from first_transactions
  inner join peer_views.transactions on transactions.transaction_id = first_transactions.transaction_id
  group by transactions.merchant_id;

  create table peer_views.detections (
    pattern_id text collate "C" not null,
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    chunk_no bigint not null,
    primary key (pattern_id, merchant_id, customer_id)
  );
`;

const COPY_TRANSACTIONS = `
  copy peer_views.transactions (
    step, customer_id, age, gender, zipcode_ori, merchant_id, zip_merchant, category, amount, fraud
  ) from stdin with (format csv, header, quote '''')
`;

const REFRESH = `
  refresh materialized view peer_views.customer_percentiles;
  refresh materialized view peer_views.customer_averages;
  refresh materialized view peer_views.merchant_gender_counts;
`;

/** percent_rank() compares exactly, as in rows.ts. */
const DETECT = `
  with matches as (
    select 'PatId1' as pattern_id, merchant_id, customer_id
    from peer_views.customer_percentiles
    where
      merchant_transactions > $1::numeric
      and count_percent_rank >= $2::double precision
      and weight_percent_rank <= $3::double precision
    union all
    select 'PatId2', merchant_id, customer_id
    from peer_views.customer_averages
    where transaction_count >= $4::numeric and total_amount < $5::numeric * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from peer_views.merchant_gender_counts
    where female_count > $6::numeric and female_count < male_count
  )
  insert into peer_views.detections (pattern_id, merchant_id, customer_id, chunk_no)
  select pattern_id, merchant_id, customer_id, $7::bigint
  from matches
  on conflict do nothing
  returning pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
`;

const NOTE_DETECTIONS = `
  insert into peer_views.detections (pattern_id, merchant_id, customer_id, chunk_no)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
  on conflict do nothing
`;

/** PostgreSQL, a table of all transactions, and the three materialized views refreshed for each chunk: the literal design. */
export class RefreshedViews implements Peer {
  readonly name = 'views';
  readonly about = 'PostgreSQL, all transactions kept, three materialized views refreshed';

  private constructor(
    private readonly client: pg.Client,
    private readonly thresholds: Thresholds,
  ) {}

  static async open(config: pg.ClientConfig): Promise<RefreshedViews> {
    const client = await connect(config);
    await client.query(SET_UP);
    return new RefreshedViews(client, await readThresholds(client));
  }

  async apply({ number, content }: PeerChunk): Promise<Detection[]> {
    await this.client.query('begin');
    await this.#copy(Readable.from([content], { objectMode: false }));
    await this.client.query(REFRESH);
    const { rows } = await this.client.query<Detection>(DETECT, [
      this.thresholds.merchantTransactionsAbove,
      this.thresholds.countPercentRankFrom,
      this.thresholds.weightPercentRankUpTo,
      this.thresholds.transactionsFrom,
      this.thresholds.averageAmountBelow,
      this.thresholds.femaleCustomersAbove,
      number,
    ]);
    await this.client.query('commit');
    return rows;
  }

  async load(files: readonly string[], detections: readonly Detection[]): Promise<void> {
    await this.client.query('begin');
    for (const file of files) await this.#copy(createReadStream(file));
    await this.client.query(NOTE_DETECTIONS, [
      detections.map(({ pattern }) => pattern),
      detections.map(({ merchant }) => merchant),
      detections.map(({ customer }) => customer),
      detections.map(({ chunk }) => chunk),
    ]);
    await this.client.query('commit');
    await this.client.query('analyze peer_views.transactions');
  }

  async close(): Promise<void> {
    await this.client.end();
  }

  async #copy(source: Readable): Promise<void> {
    await pipeline(source, this.client.query(copyFrom(COPY_TRANSACTIONS)));
  }
}
