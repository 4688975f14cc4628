import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Detection, Peer, PeerChunk } from './peer.js';
import { PostgresSession } from './postgres.js';
import type { Thresholds } from './thresholds.js';

const SET_UP = `
  create table transactions (
    step int, customer_id text collate "C", age text, gender text, zipcode_ori text,
    merchant_id text collate "C", zip_merchant text, category text, amount numeric, fraud text,
    transaction_id bigint generated always as identity (cache 1000)
  );

  create materialized view customer_percentiles as
  with counts as (
    select merchant_id, customer_id, count(*) as transaction_count
    from transactions
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

  create materialized view customer_averages as
  select
    merchant_id,
    customer_id,
    count(*) as transaction_count,
    sum(amount) as total_amount,
    avg(amount) as average_amount
  from transactions
  group by merchant_id, customer_id;

  create materialized view merchant_gender_counts as
  with first_transactions as (
    select min(transaction_id) as transaction_id
    from transactions
    group by merchant_id, customer_id
  )
  select
    transactions.merchant_id,
    count(*) filter (where transactions.gender = 'F') as female_count,
    count(*) filter (where transactions.gender = 'M') as male_count
  from first_transactions
  inner join transactions on transactions.transaction_id = first_transactions.transaction_id
  group by transactions.merchant_id;
`;

const COPY_TRANSACTIONS = `
  copy transactions (
    step, customer_id, age, gender, zipcode_ori, merchant_id, zip_merchant, category, amount, fraud
  ) from stdin with (format csv, header, quote '''')
`;

const REFRESH = `
  refresh materialized view customer_percentiles;
  refresh materialized view customer_averages;
  refresh materialized view merchant_gender_counts;
`;

/** percent_rank() compares exactly, as in rows.ts. */
const DETECT = `
  with matches as (
    select 'PatId1' as pattern_id, merchant_id, customer_id
    from customer_percentiles
    where
      merchant_transactions > $1::numeric
      and count_percent_rank >= $2::double precision
      and weight_percent_rank <= $3::double precision
    union all
    select 'PatId2', merchant_id, customer_id
    from customer_averages
    where transaction_count >= $4::numeric and total_amount < $5::numeric * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from merchant_gender_counts
    where female_count > $6::numeric and female_count < male_count
  )
  insert into detections (pattern_id, merchant_id, customer_id, chunk_no)
  select pattern_id, merchant_id, customer_id, $7::bigint
  from matches
  on conflict do nothing
  returning pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
`;

/** PostgreSQL, a table of all transactions, and the three materialized views refreshed for each chunk: the literal design. */
export class RefreshedViews implements Peer {
  readonly name = 'views';
  readonly about = 'PostgreSQL, all transactions kept, three materialized views refreshed';

  private constructor(private readonly session: PostgresSession) {}

  static async open(config: pg.ClientConfig, thresholds: Thresholds): Promise<RefreshedViews> {
    return new RefreshedViews(await PostgresSession.open(config, thresholds, 'peer_views', SET_UP));
  }

  async apply({ number, content }: PeerChunk): Promise<Detection[]> {
    const { client } = this.session;
    await client.query('begin');
    await this.#copy(Readable.from([content], { objectMode: false }));
    await client.query(REFRESH);
    const found = await this.session.detect(DETECT, number);
    await client.query('commit');
    return found;
  }

  async load(files: readonly string[], detections: readonly Detection[]): Promise<void> {
    const { client } = this.session;
    await client.query('begin');
    for (const file of files) await this.#copy(createReadStream(file));
    await this.session.noteDetections(detections);
    await client.query('commit');
    await client.query('analyze transactions');
  }

  async close(): Promise<void> {
    await this.session.close();
  }

  async #copy(source: Readable): Promise<void> {
    await pipeline(source, this.session.client.query(copyFrom(COPY_TRANSACTIONS)));
  }
}
