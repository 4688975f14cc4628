import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';

describe('PatId2, CHILD', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  it('fires at 80 transactions, not at 79', async () => {
    await driver.apply(times(79, { customer: 'c79', merchant: 'm', amount: '22.99' }));
    expect(await driver.detections()).to.deep.equal([]);
    await driver.apply([{ customer: 'c79', merchant: 'm', amount: '22.99' }]);
    expect(await driver.detections()).to.deep.equal([
      { pattern: 'PatId2', merchant: 'm', customer: 'c79', chunk: 2 },
    ]);
  });
});
