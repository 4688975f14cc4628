import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, type Row } from '../support/chunks.js';

/** One row each of so many customers with a gender; they are the same ones in every call. */
function customers(merchant: string, gender: string, count: number): Row[] {
  return Array.from({ length: count }, (_, place) => ({
    customer: `${gender}-${place}`,
    gender,
    merchant,
  }));
}

describe('PatId3, DEI-NEEDED', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.settle();
  });

  async function fires(merchant: string, rows: readonly Row[]): Promise<boolean> {
    const detected = (await driver.apply(rows)).detectionCount;
    if (detected > 0) expect(await driver.detected('PatId3', merchant)).to.deep.equal(['']);
    return detected > 0;
  }

  /** What merchant_stats says of women and men there. */
  async function counts(merchant: string): Promise<[female: number, male: number]> {
    const { rows } = await driver.client.query<{ female_count: string; male_count: string }>(
      'select female_count, male_count from bankpulse.merchant_stats where merchant_id = $1',
      [merchant],
    );
    return [Number(rows[0]?.female_count), Number(rows[0]?.male_count)];
  }

  async function genderOf(merchant: string, customer: string): Promise<string | undefined> {
    const { rows } = await driver.client.query<{ gender: string }>(
      'select gender from bankpulse.customer_merchant_stats where merchant_id = $1 and customer_id = $2',
      [merchant, customer],
    );
    return rows[0]?.gender;
  }

  it('fires at 101 women, not at 100, once, for the merchant and no customer', async () => {
    expect(await fires('m101', [...customers('m101', 'F', 100), ...customers('m101', 'M', 200)])).to.be.false;
    expect(await fires('m101', customers('m101', 'F', 101))).to.be.true;
    expect(await fires('m101', customers('m101', 'F', 102))).to.be.false;
    const { rows } = await driver.client.query(
      `select action_type, customer_id, reason from bankpulse.detections where merchant_id = 'm101'`,
    );
    expect(rows).to.deep.equal([
      { action_type: 'DEI-NEEDED', customer_id: '', reason: { female_customers: 101, male_customers: 200 } },
    ]);
  });

  it('does not fire for equal numbers, but with one man more', async () => {
    expect(await fires('equal', [...customers('equal', 'F', 150), ...customers('equal', 'M', 150)])).to.be
      .false;
    expect(await fires('equal', customers('equal', 'M', 151))).to.be.true;
  });

  it('does not fire where women are more', async () => {
    expect(await fires('more', [...customers('more', 'F', 150), ...customers('more', 'M', 120)])).to.be.false;
  });

  it('stays detected when women become more', async () => {
    expect(await fires('turned', [...customers('turned', 'F', 101), ...customers('turned', 'M', 102)])).to.be
      .true;
    expect(await fires('turned', customers('turned', 'F', 150))).to.be.false;
    expect(await driver.detected('PatId3', 'turned')).to.deep.equal(['']);
  });

  it('counts E, U, the empty string, lower case and anything else as neither', async () => {
    const others = ['E', 'U', '', 'f', 'm', 'FF', 'F ', 'X'].flatMap((gender) =>
      customers('others', gender, 150),
    );
    expect(
      await fires('others', [...others, ...customers('others', 'F', 100), ...customers('others', 'M', 99)]),
    ).to.be.false;
    expect(await counts('others')).to.deep.equal([100, 99]);
  });

  it('counts a returning customer once', async () => {
    const rows = [...customers('returning', 'F', 60), ...customers('returning', 'M', 70)];
    expect(await fires('returning', [...rows, ...rows])).to.be.false;
    expect(await fires('returning', rows)).to.be.false;
    expect(await counts('returning')).to.deep.equal([60, 70]);
  });

  describe('for a customer with two genders', () => {
    it('takes the one of the first chunk', async () => {
      await driver.apply([{ customer: 'two', gender: 'M', merchant: 'chunks' }]);
      await driver.apply([{ customer: 'two', gender: 'F', merchant: 'chunks' }]);
      expect(await counts('chunks')).to.deep.equal([0, 1]);
    });

    it('takes the one of the first row within a chunk', async () => {
      await driver.apply([
        { customer: 'one', gender: 'U', merchant: 'rows' },
        { customer: 'two', gender: 'F', merchant: 'rows' },
        { customer: 'three', gender: 'M', merchant: 'rows' },
        { customer: 'three', gender: 'F', merchant: 'rows' },
        { customer: 'two', gender: 'M', merchant: 'rows' },
        { customer: 'one', gender: 'F', merchant: 'rows' },
      ]);
      expect(await counts('rows')).to.deep.equal([1, 1]);
      expect(await genderOf('rows', 'one')).to.equal('U');
    });

    it('decides at each merchant apart', async () => {
      await driver.apply([
        { customer: 'two', gender: 'F', merchant: 'apart-1' },
        { customer: 'two', gender: 'M', merchant: 'apart-2' },
        { customer: 'two', gender: 'M', merchant: 'apart-1' },
        { customer: 'two', gender: 'F', merchant: 'apart-2' },
      ]);
      expect(await counts('apart-1')).to.deep.equal([1, 0]);
      expect(await counts('apart-2')).to.deep.equal([0, 1]);
    });

    it('takes the one of the first row also where names differ in length', async () => {
      // A page of a table may have room left for a short row when the next one, a long one, begins the page behind
      // it; PostgreSQL uses that room later. Where rows lie on disk is not the order of the file.
      const rows = Array.from({ length: 4000 }, (_, place) => ({
        customer: `customer-${place % 2000}-${'x'.repeat((place * 7919) % 200)}`,
        merchant: 'lengths',
      }));
      const firstGenders = new Map<string, string>();
      const genders = ['F', 'M', 'E'];
      const staged = Array.from({ length: 3 }, () => rows)
        .flat()
        .map((row, place) => ({ ...row, gender: genders[(place * 31) % 3]! }));
      for (const { customer, gender } of staged)
        if (!firstGenders.has(customer)) firstGenders.set(customer, gender);
      await driver.apply(staged);
      const { rows: stats } = await driver.client.query<{ customer_id: string; gender: string }>(
        `select customer_id, gender from bankpulse.customer_merchant_stats where merchant_id = 'lengths'`,
      );
      expect(stats).to.have.length(firstGenders.size);
      expect(
        stats.filter(({ customer_id, gender }) => firstGenders.get(customer_id) !== gender),
      ).to.deep.equal([]);
    });
  });
});
