import { expect } from 'chai';
import { ChunkDriver, type Row } from '../support/chunks.js';
import { useDatabase } from '../support/database.js';

/**
 * By itself: a session looks anew for what it may prune only when the oldest transaction of the server has changed, so a
 * long transaction of another test, in whatever database, would keep all old row versions.
 */
describe('the hot path', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;

  /** One row each of 4,000 out of 7,507 pairs: every chunk touches about half of them. */
  function chunk(seed: number): Row[] {
    return Array.from({ length: 4000 }, (_, place) => {
      const pair = (place * 7919 + seed * 104_729) % 7507;
      const [customer, merchant] = [pair % 1500, Math.floor(pair / 1500)];
      return { customer: `customer-${customer}`, merchant: `merchant-${merchant}`, amount: '12.34' };
    });
  }

  /** After each chunk: updates of each table so far, and how many were heap-only. */
  const updates: Map<string, { all: number; heapOnly: number }>[] = [];

  async function countUpdates(): Promise<Map<string, { all: number; heapOnly: number }>> {
    await driver.client.query('select pg_stat_force_next_flush()');
    const { rows } = await driver.client.query<{ name: string; all: number; heapOnly: number }>(
      `select relname as name, n_tup_upd::int as all, n_tup_hot_upd::int as "heapOnly"
       from pg_stat_user_tables where schemaname = 'bankpulse'`,
    );
    return new Map(rows.map(({ name, all, heapOnly }) => [name, { all, heapOnly }]));
  }

  before(async () => {
    driver = await ChunkDriver.start(database().client);
    for (let seed = 0; seed < 20; seed++) {
      await driver.apply(chunk(seed));
      updates.push(await countUpdates());
    }
  });

  it('updates rows in place: at least 90 % of the updates of a chunk are heap-only', () => {
    for (const table of ['customer_merchant_stats', 'merchant_stats']) {
      const shares = updates
        .slice(1)
        .map((counts, place) => {
          const [after, before] = [counts.get(table)!, updates[place]!.get(table)!];
          return (after.heapOnly - before.heapOnly) / (after.all - before.all);
        })
        .sort((one, other) => one - other);
      // the median chunk: other sessions of the server now and then keep old row versions alive for a moment
      expect(shares[Math.floor(shares.length / 2)], table).to.be.at.least(0.9);
    }
  });

  it('has no index on a column that changes', async () => {
    expect(
      (
        await driver.client.query<{ attname: string }>(
          `select attname from pg_index
         inner join pg_attribute on attrelid = indrelid and attnum = any (indkey::smallint[])
         where indrelid = 'bankpulse.customer_merchant_stats'::regclass order by attname`,
        )
      ).rows.map(({ attname }) => attname),
    ).to.deep.equal(['customer_id', 'merchant_id']);
  });

  it('reads what a chunk touches, not the whole state, also with plans made while that was small', async () => {
    const { client } = driver;
    await client.query(
      `-- it asks for each row by itself, which takes most of the time, and nothing is pruned here
       alter table bankpulse.chunks disable trigger refuse_pruned;
       insert into bankpulse.customer_merchant_stats
       select 'old-merchant', 'old-' || n, 'F', 1, 1 from generate_series(1, 150000) as numbers (n);
       insert into bankpulse.merchant_stats values ('old-merchant', 150000, 150000, 150000, 0);
       insert into bankpulse.detections (
         pattern_id, action_type, merchant_id, customer_id, chunk_no, run_id, detected_at, batch_no, reason
       )
       select 'PatId0', 'NONE', 'old-merchant', 'old-' || n, 1, 1, now(), 1, '{}'
       from generate_series(1, 20000) as numbers (n);
       insert into bankpulse.chunks (
         object_key, object_number, chunk_no, etag, size_bytes, status, applied_at, run_id, rules_hash
       )
       select 'old/' || n, 100 + n, 100 + n, 'x', 0, 'applied', now(), 1, rules_hash
       from generate_series(1, 20000) as numbers (n), bankpulse.present_rules();
       alter table bankpulse.chunks enable trigger refuse_pruned`,
    );
    const readWhole = async () => {
      await client.query('select pg_stat_force_next_flush()');
      const { rows } = await client.query<{ name: string; rows: number }>(
        `select relname as name, seq_tup_read::int as rows from pg_stat_user_tables
         where relname in ('customer_merchant_stats', 'detections', 'chunks') order by relname`,
      );
      return rows;
    };
    // as for a solid-state disk; with the default, reading so small a table whole would be right
    await client.query('set random_page_cost = 1.1');
    const before = await readWhole();
    expect(before).to.have.length(3);
    const rows = chunk(99).slice(0, 50);
    await driver.apply([...rows, { customer: 'old-1', merchant: 'old-merchant', amount: 1 }]);
    await driver.apply(rows.map((row) => ({ ...row, customer: `new-${row.customer}` })));
    expect(await readWhole()).to.deep.equal(before);
  });
});
