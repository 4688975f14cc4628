import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { isInTrouble } from '../../src/async/retry.js';
import { produce } from '../../src/producer/producer.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import { children, csv, logInto, until, useDetector, type LogLine } from '../support/detector.js';
import { FaultProxy, stall, type StoreRequest } from '../support/fault-proxy.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const ANSWER_MS = 200;
const FROZEN_MS = 600;

type TimedLine = LogLine & { ms?: number };
const troubleOf = (service: string) => `${service} is in trouble; trying again until it works`;
const endOf = (service: string) => `${service} works again`;
const find = (log: TimedLine[], text: string) => log.filter(({ msg }) => msg === text);

describe('what takes the connection and does not answer', () => {
  const mechanismY = useDetector();

  /** Of the store of the test, by way of another port. */
  const openStore = (port: number) =>
    ObjectStore.open({
      bucket: mechanismY.s3.store.bucket,
      endpoint: `http://127.0.0.1:${port}`,
      credentials: mechanismY.s3.credentials,
      answerMs: ANSWER_MS,
    });

  it('is trouble while a listing hangs, long before it fails, and the log says how long it really was', async () => {
    const { hostname: host, port } = new URL(mechanismY.s3.endpoint);
    const proxy = await TcpProxy.start({ host, port: Number(port) });
    const store = openStore(proxy.port);
    try {
      await mechanismY.put(1, children(1, 1));
      const detector = mechanismY.startDetector({}, { store });
      await mechanismY.untilApplied(1);
      expect(isInTrouble('object_store')).to.equal(false);
      proxy.freeze();
      const frozenAt = performance.now();
      await until('it is in trouble', () => Promise.resolve(isInTrouble('object_store')));
      expect(performance.now() - frozenAt).to.be.below(FROZEN_MS);
      expect(find(detector.log, troubleOf('the object store'))).to.have.length(1);
      expect(find(detector.log, troubleOf('the object store'))[0]!.reason).to.equal('no answer for 0.2 s');
      await sleep(FROZEN_MS - (performance.now() - frozenAt));
      const frozenMs = performance.now() - frozenAt;
      proxy.thaw();
      await until('it works', () => Promise.resolve(!isInTrouble('object_store')));
      await mechanismY.put(2, children(2, 1));
      await mechanismY.untilApplied(2);
      const ends = find(detector.log, endOf('the object store'));
      expect(ends).to.have.length(1);
      // the listing that hung may have begun up to a poll later
      expect(ends[0]!.ms).to.be.within(frozenMs - 100, frozenMs + 2000);
    } finally {
      store.close();
      proxy.close();
    }
  });

  const isChunk = ({ method, key }: StoreRequest) => method === 'GET' && key.includes('chunk_2');
  const isFile = ({ method, key }: StoreRequest) => method === 'PUT' && /detections-\d/.test(key);
  for (const [what, isMeant] of Object.entries({
    'the get of a chunk': isChunk,
    'the put of a file': isFile,
  }))
    it(`is trouble while ${what} hangs`, async () => {
      const proxy = await FaultProxy.start(mechanismY.s3.endpoint);
      const store = openStore(Number(new URL(proxy.endpoint).port));
      try {
        await mechanismY.put(1, children(1, 1));
        const detector = mechanismY.startDetector({}, { store });
        await mechanismY.untilApplied(1);
        proxy.rule = (request) => (isMeant(request) ? stall : undefined);
        await mechanismY.put(2, children(2, 60));
        await until('it is in trouble', () =>
          Promise.resolve(find(detector.log, troubleOf('the object store')).length > 0),
        );
        await detector.stop();
        expect(isInTrouble('object_store')).to.equal(false);
      } finally {
        store.close();
        await proxy.stop();
      }
    });

  it('is trouble while a put of mechanism X hangs', async () => {
    const proxy = await FaultProxy.start(mechanismY.s3.endpoint);
    const store = openStore(Number(new URL(proxy.endpoint).port));
    const log: TimedLine[] = [];
    const controller = new AbortController();
    try {
      const path = join(mechanismY.folder, 'hanging.csv');
      await writeFile(path, csv(...Array.from({ length: 20 }, () => 'c,F,m,1')));
      proxy.rule = ({ method, key }) => (method === 'PUT' && key.includes('00000002') ? stall : undefined);
      const producing = produce({
        store,
        settings: {
          TRANSACTIONS_CSV: path,
          CHUNKS_PREFIX: `${mechanismY.prefix}chunks/`,
          CHUNK_ROWS: 10,
          CHUNK_INTERVAL_MS: 0,
        },
        log: logInto(log),
        signal: controller.signal,
      });
      await until('it is in trouble', () =>
        Promise.resolve(find(log, troubleOf('the object store')).length > 0),
      );
      controller.abort();
      await producing;
      expect(isInTrouble('object_store')).to.equal(false);
    } finally {
      store.close();
      await proxy.stop();
    }
  });

  it('is trouble of the database while a heartbeat hangs', async () => {
    const { host, port, user, password, database } = new pg.Client(mechanismY.database.config);
    const proxy = await TcpProxy.start({ host, port });
    try {
      const config = { host: '127.0.0.1', port: proxy.port, user, password: password ?? '', database };
      await mechanismY.put(1, children(1, 1));
      const detector = mechanismY.startDetector({}, { config });
      await mechanismY.untilApplied(1);
      proxy.freeze();
      const frozenAt = performance.now();
      await until('it is in trouble', () => Promise.resolve(isInTrouble('database')));
      expect(find(detector.log, troubleOf('the database'))[0]!.reason).to.equal('no answer for 3 s');
      proxy.thaw();
      const frozenMs = performance.now() - frozenAt;
      await until('it works', () => Promise.resolve(!isInTrouble('database')));
      const [end] = find(detector.log, endOf('the database'));
      expect(end!.ms).to.be.within(frozenMs - 500, frozenMs + 5000);
    } finally {
      proxy.close();
    }
  });
});
