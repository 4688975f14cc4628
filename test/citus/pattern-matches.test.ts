import { expect } from 'chai';
import fc from 'fast-check';
import { distribute } from '../../src/database/distribution.js';
import { rulesOf, streamOf, usePatternStreams } from '../sql/pattern-streams.js';
import { ChunkDriver } from '../support/chunks.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { isLargeDose } from '../support/dose.js';
import { installTestPatterns } from '../support/patterns.js';

describeOnCitus('on Citus, the two ways to compute the patterns', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4 });
  let driver: ChunkDriver;
  before(async () => {
    const { client } = database();
    await installTestPatterns(client);
    // the table of a pattern that came later
    expect((await distribute(client, 4)).distributed).to.deep.equal(['merchant_largest_counts']);
    driver = await ChunkDriver.start(client);
  });
  const { checkStream, readPatterns, seen } = usePatternStreams(() => driver);

  it('agree with each other and with an oracle after every chunk of any stream', async () => {
    const patterns = await readPatterns();
    await fc.assert(fc.asyncProperty(streamOf(rulesOf(patterns)), checkStream), {
      numRuns: Number(process.env.PROPERTY_RUNS ?? (isLargeDose ? 200 : 6)),
      interruptAfterTimeLimit: 120_000,
    });
    // how many there are is chance
    expect(seen.size).to.be.greaterThan(0);
  });
});
