import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { UserError, messageOf } from '../../src/errors.js';
import { IncompleteBody, UnreadableObject } from '../../src/s3/store-errors.js';
import type { ObjectStore } from '../../src/s3/object-store.js';
import {
  OddStore,
  answerListing,
  refuse,
  type ListingPage,
  type Oddity,
  type OddRequest,
} from '../support/odd-store.js';

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('p/')) keys.push(key);
  return keys;
}

describe('ObjectStore, with a store of its own kind,', () => {
  let odd: OddStore;
  let store: ObjectStore;

  before(async () => {
    odd = await OddStore.start();
    store = odd.open();
  });
  beforeEach(() => odd.reset());
  after(() => odd.stop());

  const lists =
    (page: (right: ListingPage, query: URLSearchParams) => ListingPage): Oddity =>
    ({ isListing, query }, res) =>
      isListing && answerListing(res, page(odd.page(query), query));
  const withoutStart = (query: URLSearchParams) => {
    const other = new URLSearchParams(query);
    other.delete('start-after');
    return odd.page(other);
  };

  describe('ends a listing that does not get on with one line:', () => {
    const cases: [what: string, oddity: Oddity, says: RegExp][] = [
      [
        'StartAfter is ignored, or the older version is served',
        lists((_, query) => withoutStart(query)),
        /the page after "p\/2" ends with "p\/2", so it never gets on: the store ignores StartAfter, or serves the older listing/,
      ],
      [
        'the keys are not in order',
        lists((page) => ({ ...page, contents: page.contents.reverse() })),
        /"p\/1" is listed behind "p\/2"/,
      ],
      [
        'keys outside the prefix are listed',
        lists((page) => ({ ...page, contents: [{ key: 'other', size: 1, etag: '"x"' }, ...page.contents] })),
        /"other" is listed under the prefix "p\/"/,
      ],
      [
        'it is never over, without a token',
        lists(() => ({ contents: [], isTruncated: true })),
        /says that there is more, with no token/,
      ],
      [
        'it is never over, with the same token again',
        lists(() => ({ contents: [], isTruncated: true, token: 'again' })),
        /says that there is more, with the same token again/,
      ],
      [
        'it is never over, with two tokens in turn',
        lists((_, query) => ({
          contents: [],
          isTruncated: true,
          token: query.get('continuation-token') === 'a' ? 'b' : 'a',
        })),
        /says that there is more, with the same token again/,
      ],
    ];
    for (const [what, oddity, says] of cases) {
      it(what, async () => {
        for (const key of ['p/1', 'p/2', 'p/3', 'p/4', 'p/5']) odd.put(key, 'x');
        odd.pageSize = 2;
        odd.oddity = oddity;
        const error = await failureOf(keysOf(store));
        expect(error).to.be.instanceOf(UserError);
        expect(messageOf(error))
          .to.match(/^the listing of bucket "odd" cannot be used: /)
          .and.match(says)
          .and.match(/BankPulse needs a store with ListObjectsV2 and StartAfter/)
          .and.not.match(/\n/);
        expect(store.explain(error)).to.equal(error);
      });
    }
  });

  it('takes a listing in one page in whatever order, and pages that begin with the last key before', async () => {
    const keys = ['p/1', 'p/2', 'p/3'];
    for (const key of keys) odd.put(key, 'x');
    odd.oddity = lists((page) => ({ ...page, contents: page.contents.reverse() }));
    expect((await keysOf(store)).sort()).to.deep.equal(keys);
    odd.pageSize = 2;
    odd.oddity = lists((page, query) => {
      const after = query.get('start-after');
      return after ? { ...page, contents: [odd.entry(after), ...page.contents] } : page;
    });
    expect([...new Set(await keysOf(store))]).to.deep.equal(keys);
  });

  it('goes on behind an empty page by its token', async () => {
    odd.put('p/1', 'x');
    odd.oddity = lists((page, query) =>
      query.has('continuation-token') ? page : { contents: [], isTruncated: true, token: 'on' },
    );
    expect(await keysOf(store)).to.deep.equal(['p/1']);
  });

  describe('reads a body without Content-Length', () => {
    /** Answers a GET in chunks, as Node does without a length. */
    const chunked =
      (content: (right: Buffer) => Buffer, headers: Record<string, string> = {}): Oddity =>
      ({ method, isListing, key }, res) => {
        if (method !== 'GET' || isListing) return false;
        const kept = odd.objects.get(key)!;
        res.writeHead(200, { etag: `W/"${kept.etag}"`, ...headers });
        res.write(content(kept.content).subarray(0, 3));
        res.end(content(kept.content).subarray(3));
        return true;
      };
    const text = 'customer,gender\n'.repeat(9);

    it('to its own end, whole or as a stream', async () => {
      odd.put('p/1', text);
      odd.oddity = chunked((right) => right);
      const whole = await store.getWhole('p/1', undefined, { listedSize: text.length });
      expect(whole?.content.toString()).to.equal(text);
      const streamed = await store.get('p/1');
      expect(streamed?.size).to.equal(undefined);
      expect(Buffer.concat((await streamed!.body.toArray()) as Buffer[]).toString()).to.equal(text);
      expect(streamed?.etag).to.equal(odd.objects.get('p/1')!.etag);
    });

    it('also if it comes unpacked or packed, and is longer or shorter than listed', async () => {
      odd.put('p/1', gzipSync(text));
      const listedSize = odd.objects.get('p/1')!.content.length;
      odd.oddity = chunked(() => Buffer.from(text));
      expect((await store.getWhole('p/1', undefined, { listedSize }))?.content.toString()).to.equal(text);
      odd.oddity = chunked(() => Buffer.from('a,b\n'), { 'x-goog-stored-content-encoding': 'gzip' });
      expect((await store.getWhole('p/1', undefined, { listedSize }))?.content.toString()).to.equal('a,b\n');
      odd.oddity = chunked(() => gzipSync('a\n'), { 'content-encoding': 'gzip' });
      const packed = await store.getWhole('p/1', undefined, { listedSize: 1000 });
      expect(packed?.content.equals(gzipSync('a\n'))).to.equal(true);
    });

    it('that is shorter than listed: it is asked for again, and believed if it is as short again', async () => {
      odd.put('p/1', text);
      odd.oddity = chunked((right) => right.subarray(0, 40));
      const read = () => store.getWhole('p/1', undefined, { listedSize: text.length });
      expect(await failureOf(read())).to.be.instanceOf(IncompleteBody);
      expect((await read())?.content.length).to.equal(40);
    });

    it('that breaks off, or neither has a length nor is chunked: it is retried', async () => {
      odd.put('p/1', text);
      odd.oddity = ({ isListing }, res) => {
        if (isListing) return false;
        res.writeHead(200, { etag: '"x"' });
        res.write('cust', () => res.destroy());
        return true;
      };
      const read = (listedSize?: number) => store.getWhole('p/1', undefined, { listedSize });
      expect(await failureOf(read(text.length))).to.be.instanceOf(IncompleteBody);
      odd.oddity = ({ isListing }, res) => {
        if (isListing) return false;
        res.shouldKeepAlive = false;
        res.useChunkedEncodingByDefault = false;
        res.writeHead(200, { etag: '"x"' }).end(text);
        return true;
      };
      expect(await failureOf(read())).to.be.instanceOf(IncompleteBody);
      expect((await read(text.length))?.content.toString()).to.equal(text);
      expect(await failureOf(read(text.length + 1))).to.be.instanceOf(IncompleteBody);
    });

    it('up to what was to be taken into memory', async () => {
      odd.put('p/1', text);
      odd.oddity = chunked((right) => right);
      const error = await failureOf(store.getWhole('p/1', undefined, { mostUntold: 100 }));
      expect((error as Error).name).to.equal('ObjectTooLarge');
    });
  });

  it('takes an ETag for the same with or without quotes and the mark of a weak one', async () => {
    odd.put('p/1', 'x');
    const { etag } = odd.objects.get('p/1')!;
    for (const written of [`W/"${etag}"`, `"${etag}"`, etag, `w/"${etag}"`]) {
      odd.oddity = lists((page) => ({
        ...page,
        contents: page.contents.map((object) => ({ ...object, etag: written })),
      }));
      expect((await store.listPage('p/')).objects[0]?.etag, written).to.equal(etag);
    }
  });

  describe('puts', () => {
    for (const status of [501, 400]) {
      it(`without If-None-Match once the store has refused it with ${status}`, async () => {
        const fresh = odd.open();
        odd.oddity = ({ headers }, res) => {
          if (headers['if-none-match'] === undefined) return false;
          refuse(res, status, 'NotImplemented', 'A header you provided implies functionality that is not');
          return true;
        };
        expect(await fresh.putIfAbsent('p/1', 'first', 'text/plain')).to.equal(true);
        expect(await fresh.putIfAbsent('p/1', 'second', 'text/plain')).to.equal(false);
        expect(odd.objects.get('p/1')!.content.toString()).to.equal('first');
      });
    }

    it('never with If-None-Match if it is told so', async () => {
      const told = odd.open({ conditionalPuts: false });
      expect(await told.putIfAbsent('p/1', 'first', 'text/plain')).to.equal(true);
      expect(await told.putIfAbsent('p/1', 'second', 'text/plain')).to.equal(false);
      await told.learnConditionalPut('p/1', Buffer.from('first'), 'text/plain');
      expect(odd.requests.filter(({ headers }) => headers['if-none-match'])).to.deep.equal([]);
    });

    it('with the encryption that it is told', async () => {
      const told = odd.open({ encryption: { algorithm: 'aws:kms', kmsKeyId: 'key-1' } });
      await told.put('p/1', 'x', 'text/plain');
      const { headers } = odd.requests.at(-1)!;
      expect(headers['x-amz-server-side-encryption']).to.equal('aws:kms');
      expect(headers['x-amz-server-side-encryption-aws-kms-key-id']).to.equal('key-1');
    });

    it('without checksums if the SDK is told so by its own variable', async () => {
      const sent = async () => {
        const fresh = odd.open();
        await fresh.put('p/1', 'x', 'text/plain');
        return Object.keys(odd.requests.at(-1)!.headers).filter((name) => /checksum/.test(name));
      };
      expect(await sent()).not.to.deep.equal([]);
      process.env.AWS_REQUEST_CHECKSUM_CALCULATION = 'when_required';
      try {
        expect(await sent()).to.deep.equal([]);
      } finally {
        delete process.env.AWS_REQUEST_CHECKSUM_CALCULATION;
      }
    });
  });

  describe('says in one line what is wrong and what to do when', () => {
    const refusing =
      (...refusal: [number, string, string?, Record<string, string>?]): Oddity =>
      (_: OddRequest, res) => {
        refuse(res, ...refusal);
        return true;
      };
    const answering =
      (status: number, headers: Record<string, string>, text = ''): Oddity =>
      (_, res) => {
        res.writeHead(status, headers).end(text);
        return true;
      };
    const cases: Record<string, [oddity: Oddity, says: RegExp]> = {
      'the bucket is in another region: the redirect names it': [
        refusing(301, 'PermanentRedirect', 'use the specified endpoint', {
          Endpoint: 'odd.s3.eu-west-1.amazonaws.com',
        }),
        /^bucket "odd" is in the region eu-west-1, .*: set AWS_REGION=eu-west-1$/,
      ],
      'the bucket is in another region: the signature has the wrong one': [
        refusing(
          400,
          'AuthorizationHeaderMalformed',
          "the region 'us-east-1' is wrong; expecting 'ap-south-1'",
        ),
        /set AWS_REGION=ap-south-1$/,
      ],
      'the bucket is in another region that nobody names': [
        refusing(301, 'PermanentRedirect'),
        /not in the region .*: correct AWS_REGION$/,
      ],
      'the clock is wrong': [
        refusing(403, 'RequestTimeTooSkewed', 'The difference is too large.'),
        /^http:\S+ refuses the time of this machine, 20\S+Z \(RequestTimeTooSkewed: .*\): set the clock$/,
      ],
      'the quota is used up, with Ceph': [
        refusing(403, 'QuotaExceeded'),
        /is full: its quota is used up \(Quota/,
      ],
      'the quota is used up, with MinIO': [
        refusing(400, 'XMinioAdminBucketQuotaExceeded', 'Bucket quota exceeded'),
        /is full: its quota is used up .*enlarge the quota, or delete objects$/,
      ],
      'the cap of the account is reached, with Backblaze': [
        refusing(
          403,
          'AccessDenied',
          'Cannot upload files, storage cap exceeded. See the Caps & Alerts page',
        ),
        /is full: its quota is used up .*storage cap exceeded/,
      ],
      'the bucket demands checksums': [
        refusing(
          400,
          'InvalidRequest',
          'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
        ),
        /; the bucket demands checksums: unset AWS_REQUEST_CHECKSUM_CALCULATION$/,
      ],
      'the server sends its clients to https': [
        answering(301, { location: 'https://store.example/odd' }),
        /^http:\S+ does not answer .*: if it speaks TLS, set AWS_ENDPOINT_URL_S3 to a URL that begins with https:\/\/$/,
      ],
      'the server sends its clients elsewhere': [
        answering(308, { location: 'http://store.example/odd' }),
        /sends its clients to http:\/\/store\.example\/odd: set AWS_ENDPOINT_URL_S3/,
      ],
      'the port is one of TLS, behind nginx': [
        answering(400, { 'content-type': 'text/html' }, '<html><title>400 The plain HTTP</title></html>'),
        /if it speaks TLS, set /,
      ],
      'the port is one of TLS, of a Go server': [
        answering(400, {}, 'Client sent an HTTP request to an HTTPS server.\n'),
        /if it speaks TLS, set /,
      ],
      'a policy demands encryption': [
        refusing(403, 'AccessDenied', 'not authorized to perform: s3:PutObject with an explicit deny'),
        /is denied .*; if a policy demands encryption, set S3_SERVER_SIDE_ENCRYPTION$/,
      ],
      'a header is not known': [
        refusing(
          501,
          'NotImplemented',
          'A header you provided implies functionality that is not implemented',
        ),
        /cannot be used .*AWS_REQUEST_CHECKSUM_CALCULATION=when_required, .*S3_CONDITIONAL_PUTS=false$/,
      ],
    };
    for (const [what, [oddity, says]] of Object.entries(cases)) {
      it(what, async () => {
        odd.oddity = oddity;
        const error = store.explain(await failureOf(store.put('p/1', 'x', 'text/plain')));
        expect(error).to.be.instanceOf(UserError);
        expect(messageOf(error)).to.match(says).and.not.match(/\n/);
      });
    }

    it('the endpoint holds the bucket already', async () => {
      odd.oddity = ({ key }, res) => {
        if (key === '') return false;
        refuse(res, 404, 'NoSuchKey', 'The specified key does not exist.');
        return true;
      };
      const error = await failureOf(odd.open({ endpoint: `${odd.endpoint}/odd` }).checkAccess());
      expect(messageOf(error)).to.match(
        /; AWS_ENDPOINT_URL_S3 holds the name of the bucket, which is put there by itself: set it to http:\/\/127\.0\.0\.1:\d+$/,
      );
      const named = await failureOf(odd.open({ endpoint: 'http://odd.s3.invalid' }).checkAccess());
      expect(messageOf(named)).to.match(/set it to http:\/\/s3\.invalid$/);
    });

    it('https is used where http is spoken', async () => {
      const error = await failureOf(
        odd.open({ endpoint: odd.endpoint.replace('http:', 'https:') }).checkAccess(),
      );
      expect(messageOf(error)).to.match(
        /^https:\S+ does not speak TLS: set AWS_ENDPOINT_URL_S3 to a URL that begins with http:\/\/$/,
      );
    });

    it('a key of a profile holds a control character', async () => {
      const error = await failureOf(
        odd.open({ credentials: { accessKeyId: 'key\n', secretAccessKey: 'x' } }).checkAccess(),
      );
      expect(messageOf(error)).to.match(/^the credentials .* hold a line break or another control character/);
    });

    it('one object cannot be read, with its key', async () => {
      odd.put('p/1', 'x');
      odd.oddity = refusing(403, 'AccessDenied', 'Access Denied');
      const error = await failureOf(store.get('p/1'));
      expect(error).to.be.instanceOf(UnreadableObject);
      expect(messageOf(store.explain(error))).to.match(
        /access to bucket "odd" .* is denied \(AccessDenied: Access Denied, reading p\/1\)/,
      );
      odd.oddity = refusing(403, 'InvalidObjectState');
      expect(messageOf(store.explain(await failureOf(store.get('p/1'))))).to.match(
        /p\/1 cannot be read: it is archived .*restore it/,
      );
    });
  });
});
