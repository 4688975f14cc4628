import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { CloseLater } from '../../../src/async/resource-scope.js';
import { connect } from '../../../src/database/connection.js';
import type { Detection, Peer, Thresholds } from './peer.js';

const SET_UP = `
  create schema peer_views;
  set search_path = peer_views;
  set work_mem = '64MB'; -- the sorts and hashes of a refresh stay in memory
  create table detections (
    pattern text, merchant text, customer text, chunk bigint, primary key (pattern, merchant, customer)
  );
  create table transactions (
    step int, customer_id text collate "C", age text, gender text, zipcode_ori text,
    merchant_id text collate "C", zip_merchant text, category text, amount numeric, fraud text,
    transaction_id bigint generated always as identity (cache 1000)
  );

  create materialized view customer_percentiles as
  with ranked_counts as (
    select
      merchant_id, customer_id, count(*) as transaction_count,
      sum(count(*)) over (partition by merchant_id) as merchant_transactions,
      percent_rank() over (partition by merchant_id order by count(*)) as count_percent_rank
    from transactions group by merchant_id, customer_id
  ),
  ranked_weights as (
    select
      merchant_id, customer_id, average_weight,
      percent_rank() over (partition by merchant_id order by average_weight) as weight_percent_rank
    from bankpulse.customer_weights
  )
  select * from ranked_counts left join ranked_weights using (merchant_id, customer_id);

  create materialized view customer_averages as
  select
    merchant_id, customer_id,
    count(*) as transaction_count, sum(amount) as total_amount, avg(amount) as average_amount
  from transactions group by merchant_id, customer_id;

  create materialized view merchant_gender_counts as
  with first_transactions as (
    select min(transaction_id) as transaction_id from transactions group by merchant_id, customer_id
  )
  select
    merchant_id,
    count(*) filter (where gender = 'F') as female_count, count(*) filter (where gender = 'M') as male_count
  from first_transactions inner join transactions using (transaction_id)
  group by merchant_id;
`;

const COPY_TRANSACTIONS = `
  copy transactions (step, customer_id, age, gender, zipcode_ori, merchant_id, zip_merchant, category, amount, fraud)
  from stdin with (format csv, header, quote '''')
`;

const REFRESH = `
  refresh materialized view customer_percentiles;
  refresh materialized view customer_averages;
  refresh materialized view merchant_gender_counts;
`;

/** $1: the thresholds. percent_rank() rounds a quotient once, so it is at least 0.9 exactly if the quotient is. */
const DETECT = `
  with matches as (
    select 'PatId1' as pattern, merchant_id, customer_id
    from customer_percentiles
    where merchant_transactions > ($1::jsonb ->> 'merchant_transactions_above')::numeric
      and count_percent_rank >= ($1::jsonb ->> 'count_percent_rank_from')::double precision
      and weight_percent_rank <= ($1::jsonb ->> 'weight_percent_rank_up_to')::double precision
    union all
    select 'PatId2', merchant_id, customer_id
    from customer_averages
    where transaction_count >= ($1::jsonb ->> 'transactions_from')::numeric
      and total_amount < ($1::jsonb ->> 'average_amount_below')::numeric * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from merchant_gender_counts
    where female_count > ($1::jsonb ->> 'female_customers_above')::numeric and female_count < male_count
  )
  insert into detections
  select *, $2::bigint from matches
  on conflict do nothing
  returning pattern, merchant, customer, chunk::int
`;

const ADD_DETECTIONS =
  'insert into detections select * from jsonb_populate_recordset(null::detections, $1) on conflict do nothing';

/** The literal design, in a schema of its own: all transactions, and three views refreshed for each chunk. */
export async function openLiteralDesign(
  config: pg.ClientConfig,
  thresholds: Thresholds,
  closeLater: CloseLater,
): Promise<Peer> {
  const client = await connect(config);
  closeLater(() => client.end());
  await client.query(SET_UP);
  const copy = (source: Readable) => pipeline(source, client.query(copyFrom(COPY_TRANSACTIONS)));
  return {
    name: 'views',
    about: 'PostgreSQL, all transactions kept, three materialized views refreshed',
    async apply({ number, content }) {
      await client.query('begin');
      await copy(Readable.from([content], { objectMode: false }));
      await client.query(REFRESH);
      const { rows } = await client.query<Detection>(DETECT, [thresholds, number]);
      await client.query('commit');
      return rows;
    },
    async load(files, detections) {
      for (const file of files) await copy(createReadStream(file));
      await client.query(ADD_DETECTIONS, [JSON.stringify(detections)]);
      await client.query('analyze transactions');
    },
  };
}
