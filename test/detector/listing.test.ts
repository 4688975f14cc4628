import { expect } from 'chai';
import pino from 'pino';
import { PatientStore } from '../../src/s3/patient-store.js';
import { Backlog } from '../../src/detector/backlog.js';
import { Listing } from '../../src/detector/listing.js';
import { PollPause } from '../../src/detector/poll-pause.js';
import { ReplacedObjects } from '../../src/detector/replaced-objects.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { openViews } from '../../src/database/connection.js';
import { useDatabase } from '../support/database.js';
import { PAGE } from '../support/dose.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { testObjectStore } from '../support/s3.js';

/** More than two pages of a listing hold. */
const OBJECTS = 2 * PAGE + 2;

describe('Listing', () => {
  const database = useDatabase('empty');
  let views: ReturnType<typeof openViews>;
  before(() => {
    views = openViews(database().config);
  });
  after(() => views.destroy());

  it('sees what is new with every poll, however many pages a full listing has', async () => {
    const s3 = await testObjectStore();
    const proxy = await FaultProxy.start(s3.endpoint);
    const store = ObjectStore.open({
      bucket: s3.store.bucket,
      endpoint: proxy.endpoint,
      credentials: s3.credentials,
      pageSize: PAGE,
    });
    try {
      const put = (name: string) => s3.store.put(`chunks/${name}`, 'x', 'text/csv');
      for (let first = 0; first < OBJECTS; first += 50)
        await Promise.all(
          Array.from({ length: Math.min(50, OBJECTS - first) }, (_, index) => put(`a-note-${first + index}`)),
        );
      await put('chunk-00000001.csv');

      const functions = new SqlFunctions(database().client);
      const backlog = new Backlog(1000, 0n);
      const log = pino({ level: 'silent' });
      const patient = new PatientStore(store, log, undefined);
      const listing = new Listing({
        store: patient,
        functions,
        views,
        backlog,
        replaced: new ReplacedObjects({ store: patient, functions, log }),
        runId: await functions.registerRun(),
        // each is a full one, and the end is always due
        settings: { CHUNKS_PREFIX: 'chunks/', CHUNK_ORDER: 'number', POLL_INTERVAL_MS: 0, FULL_LIST_MS: 0 },
        log,
      });
      let requests = 0;
      proxy.rule = () => void requests++;
      await listing.poll();
      expect(requests, 'the first one lists all').to.equal(3);
      for (let number = 2; number <= 7; number++) {
        const key = `chunk-0000000${number}.csv`;
        await put(key);
        const { fullAt } = listing;
        requests = 0;
        const begunAt = performance.now();
        await listing.poll();
        expect(backlog.upcoming.at(-1)!.key).to.equal(`chunks/${key}`);
        expect(requests).to.equal(2);
        expect(listing.endSeenAt).to.be.least(begunAt);
        expect(listing.fullAt > fullAt, `${number} ends a full one`).to.equal([4, 7].includes(number));
        expect(listing.fullAt, 'and has its beginning').to.be.below(begunAt);
      }
    } finally {
      store.close();
      await proxy.stop();
    }
  });

  it('lists a bucket at rest less often, until the first new object', async () => {
    const s3 = await testObjectStore();
    const log = pino({ level: 'silent' });
    const store = new PatientStore(s3.store, log, undefined);
    const functions = new SqlFunctions(database().client);
    const atRest = new PollPause(250, performance.now() - 600_000);
    const listing = new Listing({
      ...{ store, functions, views, log, pause: atRest },
      backlog: new Backlog(1000, 0n),
      replaced: new ReplacedObjects({ store, functions, log }),
      runId: await functions.registerRun(),
      settings: {
        CHUNKS_PREFIX: 'chunks/',
        CHUNK_ORDER: 'number',
        POLL_INTERVAL_MS: 250,
        FULL_LIST_MS: 0,
      },
    });
    await listing.poll();
    const restUntil = listing.dueAt - performance.now();
    expect(restUntil).to.be.within(1000, 2000);
    await s3.store.put('chunks/at-rest-1.csv', 'x', 'text/csv');
    await listing.poll();
    expect(listing.dueAt - performance.now()).to.be.most(250);
  });
});
