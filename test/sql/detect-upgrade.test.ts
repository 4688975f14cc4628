import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times, type Row } from '../support/chunks.js';

type Weights = Record<string, number | string>;

/** customer-01, customer-02, ...: they sort as they count. */
function nameOf(place: number): string {
  return `customer-${String(place).padStart(2, '0')}`;
}

/** Rows at a merchant: the first customer as often as the first count says, and so on. */
function visits(merchant: string, counts: readonly number[]): Row[] {
  return counts.flatMap((count, place) => times(count, { customer: nameOf(place + 1), merchant }));
}

/** 1, 2, ... up to the last one. */
function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, place) => place + 1);
}

/** So many customers of the same weight: all of them are in the bottom share. */
function equalWeights(count: number): Weights {
  return Object.fromEntries(upTo(count).map((place) => [nameOf(place), 1]));
}

describe('PatId1, UPGRADE', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  async function loadWeights(merchant: string, weights: Weights): Promise<void> {
    await driver.loadWeights(
      Object.entries(weights).map(([customer, weight]) => ({ customer, merchant, weight })),
    );
  }

  /** Loads weights and lets a chunk pass, so that detect_upgrade alone judges what follows. */
  async function prepare(merchant: string, weights: Weights): Promise<void> {
    await loadWeights(merchant, weights);
    await driver.settle();
  }

  /** The customers with a low weight there that are not detected yet. */
  async function candidates(merchant: string): Promise<string[]> {
    const { rows } = await driver.client.query<{ customer_id: string }>(
      'select customer_id from bankpulse.upgrade_candidates where merchant_id = $1 order by 1',
      [merchant],
    );
    return rows.map(({ customer_id }) => customer_id);
  }

  describe('its top counts', () => {
    beforeEach(() => driver.client.query('begin'));
    afterEach(() => driver.client.query('rollback'));

    /** Remembers merchants with the histogram that the query gives. */
    async function remember(histogram: string): Promise<void> {
      await driver.client.query(`
        select set_config('search_path', bankpulse.staging_path(), true);
        insert into merchant_count_histogram (merchant_id, transaction_count, customer_count) ${histogram};
        insert into merchant_stats (merchant_id, transaction_count, customer_count, female_count, male_count)
        select merchant_id, sum(transaction_count * customer_count), sum(customer_count), 0, 0
        from merchant_count_histogram group by merchant_id;
        insert into merchant_top_counts (merchant_id) select merchant_id from merchant_stats;
      `);
    }
    const update = (share: number) =>
      driver.client.query(
        'select update_merchant_top_counts(array_agg(merchant_id), $1) from merchant_stats',
        [share],
      );

    /** How many rows of a table the transaction has read. */
    async function read(table: string): Promise<number> {
      const { rows } = await driver.client.query<{ read: number }>(
        `select (seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables where relid = $1::regclass`,
        [table],
      );
      return rows[0]!.read;
    }

    it('are those of the view, which reads the whole histogram, whatever the share', async () => {
      // few or many numbers of transactions at a merchant, some of them large, of one or many customers
      await remember(`
        select 'm' || merchant, transaction_count, 1 + floor(random() ^ 2 * case merchant % 4 when 0 then 500 else 6 end)
        from
          generate_series(1, 200) as merchant,
          lateral (
            select distinct 1 + floor(random() ^ 3 * case merchant % 3 when 0 then 400 else 20 end) as transaction_count
            from generate_series(0, merchant % 25)
          ) as numbers`);
      const founds = new Set<number>();
      for (const share of [-0.5, 0, 0.05, 0.25, 0.5, 0.66667, 0.75, 0.9, 0.95, 0.99, 1, 1.2]) {
        await driver.setThresholds('PatId1', { count_percent_rank_from: share });
        await update(share);
        const { rows } = await driver.client.query<{ wrong: number; found: number }>(
          `select
             (select count(*)::int from (
               select merchant_id, top_count from merchant_top_counts
               except select merchant_id, top_count from derived_merchant_top_counts
             ) as differing) as wrong,
             (select count(top_count)::int from merchant_top_counts) as found`,
        );
        const { wrong, found } = rows[0]!;
        expect(wrong, `with ${share}`).to.equal(0);
        founds.add(found);
      }
      expect(founds.size, 'shares that differ').to.be.above(4);
      expect([...founds]).to.include.members([0, 200]);
    });

    it('are found in a fraction of a histogram with a long tail', async () => {
      await remember(`
        select 'm' || merchant, number, ceil(1e7 / number ^ 2)
        from generate_series(1, 20) as merchant, generate_series(1, 1000) as number`);
      const before = await read('merchant_count_histogram');
      await update(0.9);
      expect(await read('merchant_count_histogram')).to.be.within(before + 1, before + 2000);
    });

    it('that have not fallen leave most candidates unread', async () => {
      await remember(`
        select 'm' || merchant, number, 100
        from generate_series(1, 20) as merchant, generate_series(1, 100) as number`);
      await update(0.9);
      // 51 customers of each merchant come again; the last two have a low weight, and rise into the top share
      await driver.client.query(`
        insert into upgrade_candidates (merchant_id, customer_id, average_weight, smaller_weights, weight_count)
        select merchant_id, 'c' || customer, 1, 0, 10000 from merchant_stats, generate_series(50, 1000) as customer;
        insert into customer_merchant_stats (merchant_id, customer_id, gender, transaction_count, total_amount)
        select merchant_id, customer_id, 'F', 85, 85 from upgrade_candidates;
        insert into touched_pairs
          (merchant_id, customer_id, gender, transaction_count, total_amount, added_count, is_new)
        select merchant_id, 'c' || customer, 'F', 95, 95, 10, false
        from merchant_stats, generate_series(1, 51) as customer;
        insert into merchant_additions (merchant_id, transaction_count, customer_count, female_count, male_count)
        select merchant_id, 510, 0, 0, 0 from merchant_stats;
        analyze upgrade_candidates, merchant_top_counts, customer_merchant_stats;
      `);
      const before = await read('upgrade_candidates');
      const { rows: found } = await driver.client.query('select * from detect_upgrade($1)', [
        { merchant_transactions_above: 0, count_percent_rank_from: 0.9, weight_percent_rank_up_to: 0.1 },
      ]);
      expect(found).to.have.length(20 * 2);
      expect(await read('upgrade_candidates')).to.be.within(before + 20 * 2, before + 20 * 51);
    });
  });

  describe('by the thresholds it is delivered with', () => {
    it('waits at 50,000 transactions and fires at 50,001, for a customer that chunk did not touch', async () => {
      await prepare('m50000', { [nameOf(1)]: 5, [nameOf(2)]: 4 });
      await driver.apply(visits('m50000', [20_000, 30_000]));
      expect(await driver.detected('PatId1', 'm50000')).to.deep.equal([]);
      await driver.settle();
      expect(await driver.detected('PatId1', 'm50000')).to.deep.equal([]);
      await driver.apply(visits('m50000', [1]));
      expect(await driver.detected('PatId1', 'm50000')).to.deep.equal([nameOf(2)]);
    });
  });

  describe('from 10 transactions of the merchant', () => {
    before(async () => {
      await driver.setThresholds('PatId1', { merchant_transactions_above: 10 });
    });

    it('does not look up the top count of a merchant for each of its customers', async () => {
      const { client } = driver;
      const lookups = async () => {
        await client.query('select pg_stat_force_next_flush()');
        const { rows } = await client.query<{ lookups: number }>(
          `select coalesce(idx_scan, 0)::int as lookups from pg_stat_user_tables
           where relid = 'bankpulse.merchant_top_counts'::regclass`,
        );
        return rows[0]!.lookups;
      };
      const customers = upTo(3000).map((place) => ({ customer: `many-${place}`, merchant: 'crowd' }));
      await driver.apply(customers);
      await driver.apply(customers);
      const before = await lookups();
      await driver.apply(customers);
      expect((await lookups()) - before).to.be.lessThan(30);
    });

    describe('by transactions', () => {
      it('takes a customer at a percent_rank of exactly 0.9', async () => {
        await prepare('exact', equalWeights(11));
        await driver.apply(visits('exact', upTo(11)));
        expect(await driver.detected('PatId1', 'exact')).to.deep.equal([nameOf(10), nameOf(11)]);
      });

      it('takes none just below 0.9', async () => {
        await prepare('below', equalWeights(10));
        await driver.apply(visits('below', upTo(10)));
        expect(await driver.detected('PatId1', 'below')).to.deep.equal([nameOf(10)]);
      });

      it('counts only customers with strictly fewer: all of a tie, or none', async () => {
        await prepare('tie-in', equalWeights(11));
        await driver.apply(visits('tie-in', [1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 5]));
        expect(await driver.detected('PatId1', 'tie-in')).to.deep.equal([nameOf(10), nameOf(11)]);
        await prepare('tie-out', equalWeights(11));
        await driver.apply(visits('tie-out', [1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5]));
        expect(await driver.detected('PatId1', 'tie-out')).to.deep.equal([]);
      });

      it('finds no customer where all have come equally often', async () => {
        await prepare('equal', equalWeights(12));
        await driver.apply(
          visits(
            'equal',
            Array.from({ length: 12 }, () => 3),
          ),
        );
        expect(await driver.detected('PatId1', 'equal')).to.deep.equal([]);
      });

      it('never takes the only customer, whose rank is 0', async () => {
        await prepare('alone', equalWeights(1));
        await driver.apply(visits('alone', [500]));
        expect(await driver.detected('PatId1', 'alone')).to.deep.equal([]);
      });

      it('finds an untouched customer when new ones with fewer transactions lower the threshold', async () => {
        await prepare('falling', equalWeights(11));
        await driver.apply(visits('falling', upTo(11)));
        const newcomers = upTo(10).map((place) => ({ customer: `new-${place}`, merchant: 'falling' }));
        await driver.apply(newcomers.slice(0, 9));
        expect(await driver.detected('PatId1', 'falling'), '17 of 19 are smaller').to.deep.equal([
          nameOf(10),
          nameOf(11),
        ]);
        await driver.apply(newcomers.slice(9));
        expect(await driver.detected('PatId1', 'falling'), '18 of 20 are smaller').to.deep.equal([
          nameOf(10),
          nameOf(11),
          nameOf(9),
        ]);
        expect(await candidates('falling'), 'those not detected').to.deep.equal(upTo(8).map(nameOf));
      });

      it('finds a customer who comes up to a threshold that stays where it is', async () => {
        await prepare('reached', { [nameOf(1)]: 1 });
        await driver.apply(visits('reached', [1, 4, ...Array.from({ length: 17 }, () => 1), 5, 5]));
        await driver.apply(visits('reached', [3]));
        expect(await driver.detected('PatId1', 'reached')).to.deep.equal([]);
        await driver.apply(visits('reached', [1]));
        expect(await driver.detected('PatId1', 'reached'), '18 of 20 are smaller').to.deep.equal([nameOf(1)]);
        expect(await candidates('reached')).to.deep.equal([]);
      });

      it('keeps a detection when the customer has left the top share, and never repeats it', async () => {
        await prepare('overtaken', equalWeights(11));
        await driver.apply(visits('overtaken', upTo(11)));
        const others = upTo(3).flatMap((place) =>
          times(50, { customer: `other-${place}`, merchant: 'overtaken' }),
        );
        await driver.apply(others);
        await driver.apply(visits('overtaken', [0, 0, 0, 0, 0, 0, 0, 0, 0, 90, 90]));
        expect(await driver.detected('PatId1', 'overtaken')).to.deep.equal([nameOf(10), nameOf(11)]);
      });
    });

    describe('by weight', () => {
      it('takes a weight at a percent_rank of exactly 0.1, and none above', async () => {
        const weights = Object.fromEntries(upTo(11).map((place) => [nameOf(place), place]));
        // the three lightest come equally often, and all others once
        await prepare('weight-exact', weights);
        await driver.apply([
          ...visits('weight-exact', [9, 9, 9]),
          ...upTo(30).map((place) => ({ customer: `other-${place}`, merchant: 'weight-exact' })),
        ]);
        expect(await driver.detected('PatId1', 'weight-exact')).to.deep.equal([nameOf(1), nameOf(2)]);
      });

      it('takes only the lightest of ten: the second has 1 of 9 below', async () => {
        const weights = Object.fromEntries(upTo(10).map((place) => [nameOf(place), place]));
        await prepare('weight-above', weights);
        await driver.apply([
          ...visits('weight-above', [9, 9]),
          ...upTo(30).map((place) => ({ customer: `other-${place}`, merchant: 'weight-above' })),
        ]);
        expect(await driver.detected('PatId1', 'weight-above')).to.deep.equal([nameOf(1)]);
      });

      it('takes all customers of a tie that begins within the bottom share', async () => {
        const weights = Object.fromEntries(
          upTo(11).map((place) => [nameOf(place), [1, 2, 2, 2][place - 1] ?? place]),
        );
        await prepare('weight-tie', weights);
        await driver.apply([
          ...visits('weight-tie', [9, 9, 9, 9, 9]),
          ...upTo(50).map((place) => ({ customer: `other-${place}`, merchant: 'weight-tie' })),
        ]);
        expect(await driver.detected('PatId1', 'weight-tie')).to.deep.equal(upTo(4).map(nameOf));
      });

      it('takes the only customer listed for a merchant, whose rank is 0', async () => {
        await prepare('weight-alone', { [nameOf(11)]: 99 });
        await driver.apply(visits('weight-alone', upTo(11)));
        expect(await driver.detected('PatId1', 'weight-alone')).to.deep.equal([nameOf(11)]);
      });

      it('never takes a customer without a weight for the merchant', async () => {
        await prepare('no-weight', { [nameOf(1)]: 1 });
        await loadWeights('elsewhere', { [nameOf(11)]: 1 });
        await driver.apply(visits('no-weight', upTo(11)));
        await driver.apply(visits('no-weight', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
        expect(await driver.detected('PatId1', 'no-weight')).to.deep.equal([]);
      });

      it('ranks among all customers the importance file lists, not among those of the stream', async () => {
        // of the stream's customers 10 and 11 alone have a weight; both are heavier than two that never come
        const absent = Object.fromEntries(upTo(9).map((place) => [`absent-${place}`, place + 10]));
        await prepare('listed-lighter', { ...absent, 'absent-1': 1, [nameOf(10)]: 2, [nameOf(11)]: 3 });
        await driver.apply(visits('listed-lighter', upTo(11)));
        expect(await driver.detected('PatId1', 'listed-lighter')).to.deep.equal([nameOf(10)]);
      });

      it('never takes a customer who is listed but not in the stream', async () => {
        await prepare('absent', { absent: 1, [nameOf(11)]: 2, [nameOf(1)]: 3 });
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0 });
        await driver.apply(visits('absent', upTo(11)));
        await driver.apply(visits('absent', upTo(11)));
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0.9 });
        expect(await driver.detected('PatId1', 'absent')).to.deep.equal([]);
      });

      it('averages a customer over all rows, rounded half away from zero to 10 decimals', async () => {
        // 370350.000000001499999 / 30 is 12345.0000000000499999666...; PostgreSQL's own division gives that 16
        // decimals, ...0500000, and rounding once more would give ...0001
        const rowsOf: Record<string, string[]> = {
          'mean of two': ['1', '2'],
          'mean of three': ['0.1', '0.2', '0.2'],
          'half up': ['0.0000000001', '0'],
          'half down': ['-0.0000000001', '0'],
          'less than half': ['0.000000000149999'],
          negative: ['-1', '-1', '0'],
          'rounds once': [...Array.from({ length: 29 }, () => '0'), '370350.000000001499999'],
          huge: ['100000000000000000000', '0', '0'],
        };
        await driver.loadWeights(
          Object.entries(rowsOf).flatMap(([customer, weights]) =>
            weights.map((weight) => ({ customer, merchant: 'means', weight })),
          ),
        );
        const { rows } = await driver.client.query<{ customer_id: string; average_weight: string }>(
          `select customer_id, average_weight from bankpulse.customer_weights where merchant_id = 'means'`,
        );
        expect(Object.fromEntries(rows.map((row) => [row.customer_id, row.average_weight]))).to.deep.equal({
          'mean of two': '1.5000000000',
          'mean of three': '0.1666666667',
          'half up': '0.0000000001',
          'half down': '-0.0000000001',
          'less than half': '0.0000000001',
          negative: '-0.6666666667',
          'rounds once': '12345.0000000000',
          huge: '33333333333333333333.3333333333',
        });
      });

      it('ranks rounded weights: two that differ behind the tenth decimal are tied', async () => {
        const weights: Weights = Object.fromEntries(upTo(11).map((place) => [nameOf(place), place]));
        await prepare('rounded', { ...weights, [nameOf(2)]: '2.00000000001', [nameOf(3)]: '2.00000000002' });
        await driver.apply([
          ...visits('rounded', [9, 9, 9]),
          ...upTo(30).map((place) => ({ customer: `other-${place}`, merchant: 'rounded' })),
        ]);
        expect(await driver.detected('PatId1', 'rounded')).to.deep.equal(upTo(3).map(nameOf));
      });
    });

    describe('after a change between chunks', () => {
      it('finds untouched pairs that lower thresholds let in, with the next chunk, and withdraws nothing', async () => {
        await prepare('lowered', equalWeights(11));
        await driver.apply(visits('lowered', upTo(11)));
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0.8 });
        expect(await driver.detected('PatId1', 'lowered')).to.deep.equal([nameOf(10), nameOf(11)]);
        await driver.settle();
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0.9 });
        await driver.settle();
        expect(await driver.detected('PatId1', 'lowered')).to.deep.equal([nameOf(10), nameOf(11), nameOf(9)]);
      });

      it('no longer finds a customer whom higher thresholds keep out', async () => {
        await prepare('raised', equalWeights(11));
        await driver.setThresholds('PatId1', { merchant_transactions_above: 66 });
        await driver.apply(visits('raised', upTo(11)));
        expect(await driver.detected('PatId1', 'raised')).to.deep.equal([]);
        await driver.apply(visits('raised', [1]));
        await driver.setThresholds('PatId1', { merchant_transactions_above: 10 });
        expect(await driver.detected('PatId1', 'raised')).to.deep.equal([nameOf(10), nameOf(11)]);
      });

      it('judges by new weights with the next chunk, and withdraws nothing', async () => {
        const heavy = Object.fromEntries(upTo(9).map((place) => [nameOf(place), place + 10]));
        await prepare('reweighed', { ...heavy, [nameOf(10)]: 50, [nameOf(11)]: 1 });
        await driver.apply(visits('reweighed', upTo(11)));
        expect(await driver.detected('PatId1', 'reweighed')).to.deep.equal([nameOf(11)]);
        await loadWeights('reweighed', { ...heavy, [nameOf(10)]: 1, [nameOf(11)]: 50 });
        expect(await driver.detected('PatId1', 'reweighed')).to.deep.equal([nameOf(11)]);
        await driver.settle();
        expect(await driver.detected('PatId1', 'reweighed')).to.deep.equal([nameOf(11), nameOf(10)]);
      });

      it('forgets at which count the top share began by other thresholds', async () => {
        await prepare('forgets', { [nameOf(1)]: 1 });
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0.5 });
        await driver.apply(visits('forgets', upTo(11)));
        await driver.setThresholds('PatId1', { count_percent_rank_from: 0.9 });
        await loadWeights('forgets', { [nameOf(8)]: 1 });
        await driver.settle();
        await driver.apply(upTo(20).map((place) => ({ customer: `new-${place}`, merchant: 'forgets' })));
        expect(await driver.detected('PatId1', 'forgets'), '27 of 30 are smaller').to.deep.equal([nameOf(8)]);
      });

      it('needs neither thresholds nor candidates while it is disabled, and finds all when it is enabled', async () => {
        await prepare('disabled', equalWeights(11));
        await driver.client.query(
          `update bankpulse.patterns set is_enabled = false, thresholds = '{}' where pattern_id = 'PatId1'`,
        );
        await driver.apply(visits('disabled', upTo(11)));
        expect(await candidates('disabled')).to.deep.equal([]);
        await driver.client.query(
          `update bankpulse.patterns
           set
             is_enabled = true,
             thresholds = '{"merchant_transactions_above": 10, "count_percent_rank_from": 0.9, "weight_percent_rank_up_to": 0.1}'
           where pattern_id = 'PatId1'`,
        );
        await driver.settle();
        expect(await driver.detected('PatId1', 'disabled')).to.deep.equal([nameOf(10), nameOf(11)]);
      });

      it('does not take a customer whose new weight is no longer low', async () => {
        await prepare('heavier', { [nameOf(11)]: 1, [nameOf(1)]: 2 });
        await loadWeights('heavier', { [nameOf(11)]: 3, [nameOf(1)]: 2 });
        await driver.apply(visits('heavier', upTo(11)));
        await driver.apply(visits('heavier', upTo(11)));
        expect(await driver.detected('PatId1', 'heavier')).to.deep.equal([]);
      });
    });
  });
});
