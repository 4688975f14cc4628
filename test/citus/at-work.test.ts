import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { audit } from '../../src/audit/audit.js';
import { connect } from '../../src/database/connection.js';
import { detect } from '../../src/detector/detector.js';
import { createLog } from '../../src/log.js';
import { DETECTOR_SETTINGS, addWorker, describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { csv, until } from '../support/detector.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const log = createLog('silent');
const CUSTOMERS = 60;
const MERCHANTS = 12;

/** Every customer at some merchants, cheaply: CHILD from the eightieth time on. */
const chunk = (number: number) =>
  csv(
    ...Array.from(
      { length: 600 },
      (_, index) =>
        `C${(index * 7 + number) % CUSTOMERS},${index % 2 ? 'F' : 'M'},shop${(index + number) % MERCHANTS},${1 + (index % 9)}`,
    ),
  );

describeOnCitus('on Citus, while mechanism Y works', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, known: 1, shards: 4 });
  let s3: TestObjectStore;
  let temporary: string;
  before(async () => {
    s3 = await testObjectStore();
    temporary = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(() => rm(temporary, { recursive: true, force: true }));

  it('shards move to a new worker, and verify finds no difference', async () => {
    const { client, config, workers } = database();
    const prefixes = { CHUNKS_PREFIX: 'at-work/chunks/', DETECTIONS_PREFIX: 'at-work/detections/' };
    const importance = join(temporary, 'importance.csv');
    await writeFile(importance, 'Source,Target,Weight\nC1,shop1,1\n');
    const isOver = new AbortController();
    const working = detect({
      ...{ config, store: s3.store, log, signal: isOver.signal, isInputOver: () => false },
      settings: { ...DETECTOR_SETTINGS, ...prefixes, IMPORTANCE_CSV: importance },
    });
    working.catch(() => undefined); // the test awaits it at its end

    let putCount = 0;
    const lastChunk = async () =>
      Number(
        (await client.query<{ last: string }>('select max(chunk_no) as last from bankpulse.chunks')).rows[0]
          ?.last,
      );
    const putAndAwait = async () => {
      putCount++;
      await s3.store.put(`${prefixes.CHUNKS_PREFIX}chunk_${putCount}.csv`, chunk(putCount), 'text/csv');
      await until(`chunk ${putCount} is applied`, async () => (await lastChunk()) === putCount);
    };
    const differences = async () => {
      const session = await connect(config);
      const { signal } = new AbortController();
      const options = {
        config,
        store: s3.store,
        settings: prefixes,
        log,
        signal,
        session,
        onChunk: () => undefined,
      };
      return (await audit(options).finally(() => session.end())).differences;
    };
    const shardsOf = async () =>
      (
        await client.query<{ shards: number }>(
          `select count(*)::int as shards from citus_shards
           where table_name = 'bankpulse.customer_merchant_stats'::regclass group by nodename, nodeport order by 1`,
        )
      ).rows.map(({ shards }) => shards);

    for (let count = 0; count < 5; count++) await putAndAwait();
    expect(await shardsOf()).to.deep.equal([4]);
    await addWorker(client, workers[1]!);
    await client.query('select citus_rebalance_start()');
    let state: string | undefined;
    while (state !== 'finished') {
      await putAndAwait();
      state = (await client.query<{ state: string }>('select state from citus_rebalance_status()')).rows[0]
        ?.state;
      expect(state).not.to.equal('failed');
    }
    expect(await shardsOf()).to.deep.equal([2, 2]);

    const [found] = await Promise.all([differences(), putAndAwait()]);
    expect(found).to.deep.equal([]);
    for (let count = 0; count < 5; count++) await putAndAwait();
    isOver.abort();
    await working;
    expect(await differences()).to.deep.equal([]);
    const { rows } = await client.query<{ found: number }>(
      'select count(*)::int as found from bankpulse.detections',
    );
    expect(rows[0]?.found).to.be.greaterThan(0);
  });
});
