import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { UserError } from '../../src/errors.js';
import { IncompleteBody, isDeniedByStore, isTransientStoreError } from '../../src/s3/store-errors.js';
import { ObjectStore } from '../../src/s3/object-store.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const portOf = (server: Server | HttpServer) => (server.address() as AddressInfo).port;

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** Stands before a real server and breaks the connection after so many bytes of answer. */
async function cuttingProxy(endpoint: string, bytes: number): Promise<Server> {
  const { hostname, port } = new URL(endpoint);
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    let passed = 0;
    client.pipe(server);
    server.on('data', (block) => {
      const allowed = block.subarray(0, bytes - passed);
      passed += allowed.length;
      client.write(allowed, () => passed === bytes && client.destroy());
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => undefined).on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

/** A store that ignores the conditions of a put. It keeps objects in memory and checks no signature. */
async function storeWithoutConditions(): Promise<HttpServer> {
  const objects = new Map<string, Buffer>();
  const server = createHttpServer((request, response) => {
    void buffer(request).then((body) => {
      const [path = ''] = request.url!.split('?');
      if (request.method === 'PUT') objects.set(path, body);
      const content = objects.get(path);
      response.statusCode = content === undefined ? 404 : 200;
      response.end(request.method === 'PUT' ? undefined : content);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describe('ObjectStore', () => {
  let test: TestObjectStore;
  let store: ObjectStore;

  before(async () => {
    test = await testObjectStore();
    store = test.store;
  });

  const variant = (options: Partial<Parameters<typeof ObjectStore.open>[0]>) =>
    ObjectStore.open({
      bucket: store.bucket,
      endpoint: test.endpoint,
      credentials: test.credentials,
      ...options,
    });

  it('gives back what was put, whole or as a stream, with its size and ETag', async () => {
    const content = Buffer.alloc(3_000_000, 'abcdefg');
    await store.put('some/key', content, 'text/csv');
    const whole = await store.getWhole('some/key');
    expect(whole?.content.equals(content)).to.equal(true);
    expect(whole?.etag).to.match(/^[0-9a-f]{32}$/);
    const object = await store.get('some/key');
    expect(object?.size).to.equal(content.length);
    expect(object?.etag).to.equal(whole?.etag);
    object?.body.destroy();
    await store.put('empty', '', 'text/csv');
    expect((await store.getWhole('empty'))?.content.length).to.equal(0);
  });

  it('knows an object that is not there from one that is', async () => {
    expect(await store.get('missing')).to.equal(undefined);
    expect(await store.has('missing')).to.equal(false);
    await store.put('there', 'x', 'text/plain');
    expect(await store.has('there')).to.equal(true);
  });

  it('lists the objects of a prefix in the order of their keys, those after one too', async () => {
    const keys = ['list/a', 'list/a-b', 'list/a.b', 'list/a/b', 'list/b'];
    for (const key of [...keys, 'list', 'lisu/a']) await store.put(key, 'content', 'text/plain');
    const page = await store.listPage('list/');
    expect(page.isLast).to.equal(true);
    expect(page.objects.map(({ key }) => key)).to.deep.equal(keys);
    expect((await store.listPage('list/', 'list/a.b')).objects.map(({ key }) => key)).to.deep.equal(
      keys.slice(3),
    );
    const [first] = page.objects;
    expect(first?.size).to.equal(7);
    expect(first?.etag).to.equal((await store.getWhole('list/a'))?.etag);
    expect(first?.lastModified.getTime()).to.be.closeTo(Date.now(), 600_000);
  });

  it('keeps every character of a key', async () => {
    const keys = ['odd/ a+b c%41%2B.csv', 'odd/<&>"\'.csv', 'odd/é\u{1f600}.csv', 'odd/\u0001\n\t.csv'];
    for (const key of keys) await store.put(key, 'x', 'text/plain');
    expect((await keysOf(store, 'odd/')).sort()).to.deep.equal([...keys].sort());
    expect(await keysOf(store, 'odd/ a+b c%')).to.deep.equal(keys.slice(0, 1));
    const { objects } = await store.listPage('odd/', 'odd/ a+b c%41%2B.csv');
    expect(objects.map(({ key }) => key)).not.to.include(keys[0]);
  });

  it('puts an object only if there is none, whether or not it knows the store', async () => {
    for (const learn of [false, true]) {
      const fresh = variant({});
      await store.put('known', 'known', 'text/plain');
      if (learn) await fresh.learnConditionalPut('known', Buffer.from('known'), 'text/plain');
      const key = `once-${learn}`;
      expect(await fresh.putIfAbsent(key, 'first', 'text/plain')).to.equal(true);
      expect(await fresh.putIfAbsent(key, 'second', 'text/plain')).to.equal(false);
      expect((await store.getWhole(key))?.content.toString()).to.equal('first');
      fresh.close();
    }
  });

  it('lets one of many win who put the same key at once, where the store has conditional puts', async () => {
    await store.put('known', 'known', 'text/plain');
    await store.learnConditionalPut('known', Buffer.from('known'), 'text/plain');
    const bodies = Array.from({ length: 8 }, (_, index) => `body ${index}`);
    const won = await Promise.all(bodies.map((body) => store.putIfAbsent('race', body, 'text/plain')));
    expect(won.filter(Boolean).length).to.equal(1);
    expect((await store.getWhole('race'))?.content.toString()).to.equal(bodies[won.indexOf(true)]);
  });

  it('looks first where the store ignores the condition, and loses nothing while finding out', async () => {
    const ignoring = await storeWithoutConditions();
    const endpoint = `http://127.0.0.1:${portOf(ignoring)}`;
    const { credentials } = test;
    const stock = ObjectStore.open({ bucket: 'stock', endpoint, credentials });
    try {
      await stock.put('known', 'known', 'text/plain');
      await stock.learnConditionalPut('known', Buffer.from('known'), 'text/plain');
      expect((await stock.getWhole('known'))?.content.toString()).to.equal('known');
      expect(await stock.putIfAbsent('once', 'first', 'text/plain')).to.equal(true);
      expect(await stock.putIfAbsent('once', 'second', 'text/plain')).to.equal(false);
      expect((await stock.getWhole('once'))?.content.toString()).to.equal('first');
    } finally {
      stock.close();
      ignoring.closeAllConnections();
      ignoring.close();
    }
  });

  it('takes a body that breaks off for a passing error, never for content', async () => {
    await store.put('long', Buffer.alloc(4_000_000, 'x'), 'text/plain');
    const proxy = await cuttingProxy(test.endpoint, 2_000_000);
    const cut = variant({ endpoint: `http://127.0.0.1:${portOf(proxy)}` });
    try {
      const ways = [() => cut.getWhole('long'), async () => (await cut.get('long'))?.body.toArray()];
      for (const read of ways) {
        const error = await failureOf(read());
        expect(error).to.be.instanceOf(IncompleteBody);
        expect(isTransientStoreError(error)).to.equal(true);
        expect(isDeniedByStore(error)).to.equal(false);
      }
    } finally {
      cut.close();
      proxy.close();
    }
  });

  it('tells in one line, without keys, why it has no access and what to do', async () => {
    const proxy = await cuttingProxy(test.endpoint, 0);
    const closed = `http://127.0.0.1:${portOf(proxy)}`;
    proxy.close();
    await once(proxy, 'close');
    const website = createHttpServer((_, response) => response.end('<html><body>Welcome</body></html>'));
    website.listen(0, '127.0.0.1');
    await once(website, 'listening');
    const { accessKeyId } = test.credentials;
    const cases = [
      {
        store: variant({ endpoint: closed }),
        says: /^cannot reach bucket .* at http.*ECONNREFUSED.*check AWS_ENDPOINT/,
      },
      {
        store: variant({ bucket: 'no-such-bucket-at-all' }),
        says: /no bucket "no-such.* never created for you: create it/,
      },
      {
        store: variant({ credentials: { accessKeyId, secretAccessKey: 'wrong-secret' } }),
        says: /denied \(SignatureDoesNotMatch.*check the credentials/,
      },
      {
        store: variant({ credentials: { accessKeyId: 'unknown-key', secretAccessKey: 'wrong-secret' } }),
        says: /denied \(InvalidAccessKeyId.*check the credentials/,
      },
      {
        store: variant({ endpoint: `http://127.0.0.1:${portOf(website)}` }),
        says: /^cannot reach bucket .*no listing.*check AWS_ENDPOINT/,
      },
    ];
    for (const { store: wrong, says } of cases) {
      const error = await failureOf(wrong.checkAccess());
      expect(error).to.be.instanceOf(UserError);
      const { message, cause } = error as UserError;
      expect(message)
        .to.match(says)
        .and.not.match(/\n|wrong-secret/);
      expect(isTransientStoreError(error)).to.equal(false);
      expect(isTransientStoreError(cause)).to.equal(/cannot reach/.test(message));
      expect(isDeniedByStore(cause)).to.equal(!/cannot reach/.test(message));
      wrong.close();
    }
    website.close();
    await store.checkAccess();
  });

  it('ends a request when its signal is aborted', async () => {
    const error = await failureOf(store.listPage('', undefined, AbortSignal.abort()));
    expect(isTransientStoreError(error)).to.equal(false);
    expect(store.explain(error)).to.equal(error);
  });
});
