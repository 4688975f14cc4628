import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

describe('PatId2, CHILD', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  /** Applies rows of customer c at a merchant of its own, so many of each amount; returns who was detected there. */
  async function spend(merchant: string, ...amounts: [count: number, amount: string][]): Promise<string[]> {
    await driver.apply(
      amounts.flatMap(([count, amount]) => times(count, { customer: 'c', merchant, amount })),
    );
    return driver.detected('PatId2', merchant);
  }

  before(() => driver.settle());

  it('fires at 80 transactions, not at 79', async () => {
    expect(await spend('count', [79, '22.99'])).to.deep.equal([]);
    expect(await spend('count', [1, '22.99'])).to.deep.equal(['c']);
  });

  it('counts the transactions at one merchant, not those of one customer', async () => {
    await spend('here', [79, '5']);
    await spend('there', [79, '5']);
    expect(await driver.detected('PatId2', 'here')).to.deep.equal([]);
    expect(await driver.detected('PatId2', 'there')).to.deep.equal([]);
  });

  it('does not fire at an average of exactly 23', async () => {
    expect(await spend('exactly-23', [40, '22.5'], [40, '23.5'])).to.deep.equal([]);
    expect(await spend('exactly-23', [1, '23'])).to.deep.equal([]);
  });

  it('fires at the least below 23 that amounts can hold', async () => {
    expect(await spend('below-23', [79, '23'], [1, '22.999999999999999'])).to.deep.equal(['c']);
    expect(await spend('above-23', [79, '23'], [1, '23.000000000000001'])).to.deep.equal([]);
  });

  it('adds amounts exactly, however different in size', async () => {
    const [huge, refund] = ['999999999999999999999999999999', '-999999999999999999999999999999'];
    expect(await spend('huge', [1, huge], [1, refund], [77, '23'], [1, '68.999999999999999']))
      // 77 * 23 + 69 - 1e-15 is 1e-15 less than 80 * 23
      .to.deep.equal(['c']);
    expect(await spend('huge-exact', [1, huge], [1, refund], [77, '23'], [1, '69'])).to.deep.equal([]);
  });

  it('counts zero amounts and refunds as transactions', async () => {
    expect(await spend('refunds', [40, '100'], [39, '-60'])).to.deep.equal([]);
    expect(await spend('refunds', [1, '0'])).to.deep.equal(['c']);
  });

  it('fires on a negative sum', async () => {
    expect(await spend('negative', [80, '-0.01'])).to.deep.equal(['c']);
  });

  it('does not fire for what held only between two rows of a chunk', async () => {
    expect(await spend('between', [80, '1'], [1, '100000'])).to.deep.equal([]);
    expect(await spend('between', [1, '1'])).to.deep.equal([]);
  });

  it('fires as late as the condition comes to hold', async () => {
    expect(await spend('late', [90, '24'])).to.deep.equal([]);
    expect(await spend('late', [1, '-68'])).to.deep.equal(['c']);
  });

  it('keeps a detection that no longer holds, and never repeats it', async () => {
    expect(await spend('kept', [80, '10'])).to.deep.equal(['c']);
    expect(await spend('kept', [1, '100000'])).to.deep.equal(['c']);
    expect(await spend('kept', [1, '-100000'])).to.deep.equal(['c']);
    const { rows } = await driver.client.query(
      `select action_type, reason from bankpulse.detections where merchant_id = 'kept'`,
    );
    expect(rows).to.deep.equal([
      { action_type: 'CHILD', reason: { transactions: 80, total_amount: 800, average_amount: 10 } },
    ]);
  });
});
