import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse/sync';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Detection, Peer, PeerChunk } from './peer.js';
import { PostgresSession } from './postgres.js';
import type { Thresholds } from './thresholds.js';

const SET_UP = `
  create table totals (
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    gender text not null,
    transaction_count bigint not null,
    total_amount numeric not null,
    primary key (merchant_id, customer_id)
  );

  create temporary table loaded_rows (
    step text, customer text, age text, gender text, zipcode_ori text,
    merchant text, zip_merchant text, category text, amount numeric, fraud text,
    row_number bigint generated always as identity
  );
`;

/** The first row of a pair makes it, with its gender. */
const COUNT_ROW = `
  insert into totals (merchant_id, customer_id, gender, transaction_count, total_amount)
  values ($1, $2, $3, 1, $4)
  on conflict (merchant_id, customer_id) do update
  set
    transaction_count = totals.transaction_count + 1,
    total_amount = totals.total_amount + excluded.total_amount
`;

/**
 * percent_rank() is a quotient of whole numbers rounded once, so it is at least the double nearest to 0.9 exactly if
 * the quotient is at least 0.9.
 */
const CHECK = `
  with ranked_totals as (
    select
      merchant_id,
      customer_id,
      percent_rank() over (partition by merchant_id order by transaction_count) as count_percent_rank,
      sum(transaction_count) over (partition by merchant_id) as merchant_transactions
    from totals
  ),
  ranked_weights as (
    select
      merchant_id,
      customer_id,
      percent_rank() over (partition by merchant_id order by average_weight) as weight_percent_rank
    from bankpulse.customer_weights
  ),
  matches as (
    select 'PatId1' as pattern_id, ranked_totals.merchant_id, ranked_totals.customer_id
    from ranked_totals
    inner join ranked_weights
      on
        ranked_weights.merchant_id = ranked_totals.merchant_id
        and ranked_weights.customer_id = ranked_totals.customer_id
    where
      ranked_totals.merchant_transactions > $1::numeric
      and ranked_totals.count_percent_rank >= $2::double precision
      and ranked_weights.weight_percent_rank <= $3::double precision
    union all
    select 'PatId2', merchant_id, customer_id
    from totals
    where transaction_count >= $4::numeric and total_amount < $5::numeric * transaction_count
    union all
    select 'PatId3', merchant_id, ''
    from totals
    group by merchant_id
    having
      count(*) filter (where gender = 'F') > $6::numeric
      and count(*) filter (where gender = 'F') < count(*) filter (where gender = 'M')
  )
  insert into detections (pattern_id, merchant_id, customer_id, chunk_no)
  select pattern_id, merchant_id, customer_id, $7::bigint
  from matches
  on conflict do nothing
  returning pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
`;

const COPY_LOADED_ROWS = `
  copy loaded_rows (
    step, customer, age, gender, zipcode_ori, merchant, zip_merchant, category, amount, fraud
  ) from stdin with (format csv, header, quote '''')
`;

const COUNT_LOADED_ROWS = `
  insert into totals (merchant_id, customer_id, gender, transaction_count, total_amount)
  select merchant, customer, (array_agg(gender order by row_number))[1], count(*), sum(amount)
  from loaded_rows
  group by merchant, customer
  on conflict (merchant_id, customer_id) do update
  set
    transaction_count = totals.transaction_count + excluded.transaction_count,
    total_amount = totals.total_amount + excluded.total_amount
`;

/** PostgreSQL, a prepared upsert for each row, and a check of the whole state for each chunk, in one transaction. */
export class RowByRow implements Peer {
  readonly name = 'rows';
  readonly about = 'PostgreSQL, an upsert for each row, then a full check';

  private constructor(private readonly session: PostgresSession) {}

  static async open(config: pg.ClientConfig, thresholds: Thresholds): Promise<RowByRow> {
    return new RowByRow(await PostgresSession.open(config, thresholds, 'peer_rows', SET_UP));
  }

  async apply({ number, content }: PeerChunk): Promise<Detection[]> {
    const { client } = this.session;
    const rows = parse(content, { from_line: 2, quote: "'", relax_column_count: true });
    await client.query('begin');
    for (const [, customer, , gender, , merchant, , , amount] of rows) {
      await client.query({
        name: 'count_row',
        text: COUNT_ROW,
        values: [merchant, customer, gender, amount],
      });
    }
    const found = await this.session.detect(CHECK, number);
    await client.query('commit');
    return found;
  }

  async load(files: readonly string[], detections: readonly Detection[]): Promise<void> {
    const { client } = this.session;
    await client.query('begin');
    for (const file of files) {
      await pipeline(createReadStream(file), client.query(copyFrom(COPY_LOADED_ROWS)));
    }
    await client.query(COUNT_LOADED_ROWS);
    await client.query('truncate loaded_rows');
    await this.session.noteDetections(detections);
    await client.query('commit');
    await client.query('analyze totals');
  }

  async close(): Promise<void> {
    await this.session.close();
  }
}
