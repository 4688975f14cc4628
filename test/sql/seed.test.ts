import { expect } from 'chai';
import { useDatabase } from '../support/database.js';

describe('the seed', () => {
  const database = useDatabase('seeded');

  async function rowsOf(query: string): Promise<Record<string, unknown>[]> {
    return (await database().client.query<Record<string, unknown>>(query)).rows;
  }

  it('shows every pattern: two upgrades, a child and a merchant in need of diversity', async () => {
    expect(
      await rowsOf(
        `select pattern_id, action_type, merchant_id, customer_id, chunk_no::int
         from bankpulse.detections order by detection_id`,
      ),
    ).to.deep.equal(
      [
        ['PatId1', 'UPGRADE', 'bazaar', 'customer-19'],
        ['PatId1', 'UPGRADE', 'bazaar', 'customer-20'],
        ['PatId2', 'CHILD', 'corner-shop', 'customer-01'],
        ['PatId3', 'DEI-NEEDED', 'barber', ''],
      ].map(([pattern_id, action_type, merchant_id, customer_id]) => ({
        pattern_id,
        action_type,
        merchant_id,
        customer_id,
        chunk_no: 2,
      })),
    );
  });

  it('satisfies the declarative statement with the same', async () => {
    const pairs = 'pattern_id, merchant_id, customer_id, reason';
    expect(await rowsOf(`select ${pairs} from bankpulse.pattern_matches order by 1, 2, 3`)).to.deep.equal(
      await rowsOf(`select ${pairs} from bankpulse.detections order by 1, 2, 3`),
    );
  });

  it('stands in pipeline_status as one row', async () => {
    expect(
      await rowsOf(
        `select to_jsonb(pipeline_status) - '{run_started_at, last_applied_at}'::text[] as row
         from bankpulse.pipeline_status`,
      ),
    ).to.deep.equal([
      {
        row: {
          chunks_applied: 2,
          chunks_quarantined: 0,
          chunks_pending: 0,
          rows_applied: 50_731,
          rows_rejected: 0,
          detections: { PatId1: 2, PatId2: 1, PatId3: 1 },
          batches_exported: 0,
          batches_pending: 0,
          lag_seconds: null,
          run_id: 1,
          run_state: 'ended',
          listed_at: null,
        },
      },
    ]);
  });

  it('fills customer_percentiles, each rank over its own population', async () => {
    expect(
      await rowsOf(
        `select
           customer_id, transaction_count::int, count_percent_rank, average_weight::float, weight_percent_rank
         from bankpulse.customer_percentiles
         where merchant_id = 'bazaar' and customer_id in ('customer-01', 'customer-10', 'customer-20')
           or merchant_id = 'corner-shop'
         order by merchant_id, customer_id`,
      ),
    ).to.deep.equal(
      [
        ['customer-01', 240, 0, 99, 1],
        ['customer-10', 2400, 9 / 19, 90, 10 / 19],
        ['customer-20', 4800, 1, 80, 0],
        ['customer-01', 80, 0, null, null],
      ].map(([customer_id, transaction_count, count_percent_rank, average_weight, weight_percent_rank]) => ({
        customer_id,
        transaction_count,
        count_percent_rank,
        average_weight,
        weight_percent_rank,
      })),
    );
  });

  const statements: Record<string, string> = {
    customer_percentiles: `
      select merchant_id, customer_id, transaction_count, average_weight
      from bankpulse.customer_merchant_stats
      full join bankpulse.customer_weights using (merchant_id, customer_id)`,
    customer_averages: `
      select merchant_id, customer_id, transaction_count, total_amount, total_amount / transaction_count
      from bankpulse.customer_merchant_stats`,
    merchant_gender_counts: 'select merchant_id, female_count, male_count from bankpulse.merchant_stats',
  };
  for (const [view, statement] of Object.entries(statements))
    it(`fills ${view} in agreement with the stats`, async () => {
      const columns =
        view === 'customer_percentiles' ? 'merchant_id, customer_id, transaction_count, average_weight' : '*';
      expect(
        await rowsOf(
          `(select ${columns} from bankpulse.${view} except ${statement})
           union all (${statement} except select ${columns} from bankpulse.${view})`,
        ),
      ).to.deep.equal([]);
      expect(await rowsOf(`select from bankpulse.${view}`)).to.have.length.greaterThan(2);
    });

  it('keeps the views as they were until they are refreshed', async () => {
    const { client } = database();
    await client.query('begin');
    await client.query(
      `insert into bankpulse.customer_merchant_stats values ('new', 'c', 'F', 2, 5);
       insert into bankpulse.customer_weights values ('new', 'absent', 1)`,
    );
    const news = `
      select
        (select average_amount::float from bankpulse.customer_averages where merchant_id = 'new') as average,
        (select female_count::int from bankpulse.merchant_gender_counts where merchant_id = 'new') as women,
        (select count(*)::int from bankpulse.customer_percentiles where merchant_id = 'new') as ranked`;
    expect(await rowsOf(news)).to.deep.equal([{ average: null, women: null, ranked: 0 }]);
    await client.query('select bankpulse.refresh_views()');
    expect(await rowsOf(news)).to.deep.equal([{ average: 2.5, women: 1, ranked: 2 }]);
    await client.query('rollback');
  });

  it('has a run that ended', async () => {
    expect(
      await rowsOf('select ended_at >= started_at as has_ended, pending_count::int from bankpulse.runs'),
    ).to.deep.equal([{ has_ended: true, pending_count: 0 }]);
  });

  it('shows what waits, and how long, once a listing has said so', async () => {
    const { client } = database();
    await client.query('begin');
    await client.query(
      `select bankpulse.record_listing(run_id, 3, clock_timestamp() - interval '90 seconds')
       from bankpulse.pipeline_lease`,
    );
    const [status] = await rowsOf(
      'select chunks_pending::int, lag_seconds::float from bankpulse.pipeline_status',
    );
    await client.query('rollback');
    expect(status).to.have.property('chunks_pending', 3);
    expect(status!.lag_seconds).to.be.within(90, 100);
  });
});
