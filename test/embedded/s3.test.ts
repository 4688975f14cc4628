import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  paginateListObjectsV2,
  type PutObjectCommandInput,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { expect } from 'chai';
import pino from 'pino';
import { ObjectFiles } from '../../src/embedded/s3/object-files.js';
import { useEmbedded, type EmbeddedServices } from '../../src/embedded/client.js';

const md5 = (text: string | Buffer) => createHash('md5').update(text).digest('hex');

describe('embedded S3 server', () => {
  const Bucket = 'bankpulse';
  const folder = mkdtempSync(join(tmpdir(), 'bankpulse-test-'));
  const objects = join(folder, 'home/s3', Bucket);
  let services: EmbeddedServices;
  let client: S3Client;

  before(async () => {
    const leftover = join(folder, 'home/s3/.incoming');
    mkdirSync(leftover, { recursive: true });
    writeFileSync(join(leftover, 'half'), 'of an object');
    services = await useEmbedded(join(folder, 'home'), { postgres: false, s3: true });
    client = connect();
  });
  after(async () => {
    client.destroy();
    await services.release();
    await sleep(2000); // the supervisor's grace
    rmSync(folder, { recursive: true, force: true });
  });

  function connect(
    credentials: { accessKeyId?: string; secretAccessKey?: string } = {},
    more: S3ClientConfig = {},
  ): S3Client {
    const { endpoint, region, accessKeyId, secretAccessKey } = services.s3!;
    return new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId, secretAccessKey, ...credentials },
      ...more,
    });
  }

  const put = (Key: string, Body: string | Buffer = '', more: Partial<PutObjectCommandInput> = {}) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from(Body), ...more }));
  const get = async (Key: string) => {
    const { Body, ...rest } = await client.send(new GetObjectCommand({ Bucket, Key }));
    return { ...rest, text: await Body!.transformToString() };
  };
  const list = async (
    input: { Prefix?: string; StartAfter?: string; Delimiter?: string; MaxKeys?: number } = {},
  ) => {
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket, ...input })) {
      keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    }
    return keys;
  };
  /** The status and the code that refuse a command; undefined when it succeeds. */
  const refusal = (sent: Promise<unknown>) =>
    sent.then(
      () => undefined,
      (error: { name: string; $metadata?: { httpStatusCode?: number } }) =>
        `${error.$metadata?.httpStatusCode} ${error.name}`,
    );

  it('gives back what was put, with length, ETag and metadata', async () => {
    const Key = `odd/a b+c%&amp;<(é)!*'🙂.csv`;
    const { ETag } = await put(Key, 'hello', { ContentType: 'text/csv', Metadata: { origin: 'test' } });
    expect(ETag).to.equal(`"${md5('hello')}"`);
    expect(await get(Key)).to.include({ text: 'hello', ContentLength: 5, ContentType: 'text/csv', ETag });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
    expect(head).to.deep.include({ ContentLength: 5, ETag, Metadata: { origin: 'test' } });
    const part = await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=1-2' }));
    expect(await part.Body!.transformToString()).to.equal('el');

    const { Contents, EncodingType } = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'odd/', EncodingType: 'url' }),
    );
    expect(EncodingType).to.equal('url');
    expect(Contents).to.have.length(1);
    expect(decodeURIComponent(Contents![0]!.Key!)).to.equal(Key);
    expect(Contents![0]).to.include({ Size: 5, ETag });
    expect(await list({ Prefix: 'odd/' })).to.deep.equal([Key]);

    await client.send(new DeleteObjectCommand({ Bucket, Key }));
    expect(await refusal(get(Key))).to.equal('404 NoSuchKey');
    expect(await list({ Prefix: 'odd/' })).to.deep.equal([]);
    expect(readdirSync(objects)).not.to.include('odd');
  });

  it('stores and returns an empty object', async () => {
    await put('empty');
    expect(await get('empty')).to.include({ text: '', ContentLength: 0 });
  });

  it('lets exactly one of twenty concurrent conditional puts win', async () => {
    const bodies = Array.from({ length: 20 }, (_, number) =>
      `body ${number}`.repeat(1000 * (number % 3) + 1),
    );
    const puts = bodies.map((body) => put('once', body, { IfNoneMatch: '*' }));
    const outcomes = await Promise.all(puts.map(refusal));
    expect(outcomes.filter((outcome) => outcome === undefined)).to.have.length(1);
    expect(outcomes.filter((outcome) => outcome === '412 PreconditionFailed')).to.have.length(19);
    const winner = bodies[outcomes.indexOf(undefined)]!;
    expect(await get('once')).to.include({ text: winner, ETag: `"${md5(winner)}"` });
    expect(await refusal(put('once', 'x', { IfMatch: '"other"' }))).to.match(/^501 /);
  });

  it('lists in the order of the bytes of the keys', async () => {
    const keys = [
      'a',
      'a-b',
      'a.b',
      'a/b',
      'a/b-c',
      'a/b/c',
      'a0',
      'aa',
      'a\u{ff5e}',
      'a\u{1f642}',
      'b/',
      'A',
    ];
    await Promise.all(keys.map((key) => put(`order/${key}`)));
    const sorted = keys
      .map((key) => `order/${key}`)
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    expect(await list({ Prefix: 'order/' })).to.deep.equal(sorted);
    for (const [index, key] of sorted.entries()) {
      expect(await list({ Prefix: 'order/', StartAfter: key })).to.deep.equal(sorted.slice(index + 1));
    }
    const page = { Bucket, Prefix: 'order/', Delimiter: '/', MaxKeys: 3 };
    const first = await client.send(new ListObjectsV2Command(page));
    expect(first.Contents?.map(({ Key }) => Key)).to.deep.equal(['order/A', 'order/a', 'order/a-b']);
    const next = await client.send(
      new ListObjectsV2Command({ ...page, ContinuationToken: first.NextContinuationToken }),
    );
    expect(next.Contents?.map(({ Key }) => Key)).to.deep.equal(['order/a.b', 'order/a0']);
    expect(next.CommonPrefixes).to.deep.equal([{ Prefix: 'order/a/' }]);
    const last = await client.send(
      new ListObjectsV2Command({ ...page, ContinuationToken: next.NextContinuationToken }),
    );
    expect(last.Contents?.map(({ Key }) => Key)?.[0]).to.equal('order/aa');
  });

  it('lists thousands of objects page by page, each once', async () => {
    // The contents that puts would leave, without the sidecars: this is faster.
    const names = Array.from({ length: 2500 }, (_, number) => `chunk-${String(number).padStart(8, '0')}.csv`);
    mkdirSync(join(objects, 'many'));
    for (const name of names) writeFileSync(join(objects, 'many', `${name}._S3rver_object`), name);
    const keys = names.map((name) => `many/${name}`);
    expect(await list({ Prefix: 'many/' })).to.deep.equal(keys);
    expect(await list({ Prefix: 'many/', StartAfter: keys[999]! })).to.deep.equal(keys.slice(1000));
    const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'many/' }));
    expect(page).to.include({ KeyCount: 1000, IsTruncated: true });
    expect(page.Contents![7]!.ETag).to.equal(`"${md5(names[7]!)}"`);
  });

  it('shows nothing of an object before all of it has arrived', async () => {
    await put('slow/replaced', 'old');
    for (const [Key, before] of [
      ['slow/new', undefined],
      ['slow/replaced', 'old'],
    ] as const) {
      const body = Buffer.alloc(1 << 20, 'n');
      const visible = () =>
        get(Key).then(
          ({ text }) => text,
          () => undefined,
        );
      const broken = await putSlowly(Key, body);
      await untilIncoming(1);
      expect(await visible()).to.equal(before);
      expect(await list({ Prefix: 'slow/' })).to.deep.equal(
        before === undefined ? ['slow/replaced'] : ['slow/new', 'slow/replaced'],
      );
      broken.destroy();
      await untilIncoming(0);
      expect(await visible()).to.equal(before);

      const whole = await putSlowly(Key, body);
      await untilIncoming(1);
      const answered = new Promise((resolve) => whole.once('response', resolve));
      whole.end(body.subarray(body.length / 2));
      await answered;
      expect(await visible()).to.equal(body.toString());
    }
  });

  interface Signed {
    method: string;
    path: string;
    query: Record<string, string>;
    headers: Record<string, string>;
  }

  /** The signed request of a command, which is not sent. */
  function sign(command: PutObjectCommand | GetObjectCommand, signer = connect()): Promise<Signed> {
    return new Promise((resolve) => {
      const catchSigned = (_: unknown) => (args: { request: unknown }) => {
        resolve(args.request as Signed);
        return Promise.reject(new Error('signed, not sent'));
      };
      signer.middlewareStack.add(catchSigned, { step: 'finalizeRequest', priority: 'low' });
      signer.send(command).catch(() => undefined);
    });
  }

  function open({ method, path, query, headers }: Signed): ClientRequest {
    const search = new URLSearchParams(query).toString();
    return request(services.s3!.endpoint, { method, path: `${path}?${search}`, headers });
  }

  /** Sends a signed request; returns status and code of the answer. */
  async function answerTo(signed: Signed, body?: string): Promise<string> {
    const sent = open(signed).end(body);
    const response = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
    const [, code = ''] = /<Code>(\w+)<\/Code>/.exec(await textOf(response)) ?? [];
    return `${response.statusCode} ${code}`.trim();
  }

  /** Sends a signed put with the first half of its body. */
  async function putSlowly(Key: string, body: Buffer): Promise<ClientRequest> {
    const half = open(await sign(new PutObjectCommand({ Bucket, Key, Body: body })));
    half.on('error', () => undefined);
    half.write(body.subarray(0, body.length / 2));
    return half;
  }

  async function untilIncoming(count: number): Promise<void> {
    for (const deadline = Date.now() + 5000; ; await sleep(10)) {
      const files = readdirSync(join(folder, 'home/s3/.incoming'));
      if (files.length === count) return;
      if (Date.now() > deadline) expect(files).to.have.length(count);
    }
  }

  it('does without a sidecar that is torn or describes another content', async () => {
    await put('torn', 'the old content');
    writeFileSync(join(objects, 'torn._S3rver_object'), 'crash left this');
    expect(await get('torn')).to.include({
      text: 'crash left this',
      ETag: `"${md5('crash left this')}"`,
    });
    writeFileSync(join(objects, 'torn._S3rver_metadata.json'), '{"md5":');
    expect(await get('torn')).to.include({ ETag: `"${md5('crash left this')}"` });
  });

  it('refuses keys that are not paths in the bucket', async () => {
    const long = 'x'.repeat(250);
    for (const key of [
      '../../x',
      'a/../../x',
      '..',
      'a/.',
      'a\0b',
      '/x',
      'a//b',
      long,
      'x/'.repeat(600),
      'x._S3rver_object',
    ]) {
      expect(await refusal(put(key)), key).to.match(/^400 /);
      expect(await refusal(get(key)), key).to.match(/^400 /);
    }
    expect(await refusal(put('x/'.repeat(600)))).to.equal('400 KeyTooLongError');
    const files = new ObjectFiles(join(folder, 'store')); // the SDK changes a path with such a name
    expect(() => files.folder('..')).to.throw('InvalidBucketName');
    expect(() => files.path('..', 'embedded.json')).to.throw('InvalidBucketName');
  });

  it('has an object on the disk before it gives it its name', async () => {
    const files = new ObjectFiles(join(folder, 'durable'));
    files.folder(Bucket, true);
    const path = files.path(Bucket, 'a/b/c');
    const { open } = fs;
    /** The files that were synced, and whether the object had its name by then. */
    const synced: [path: string, isNamed: boolean][] = [];
    fs.open = async (...opening: Parameters<typeof open>) => {
      const file = await open(...opening);
      const sync = file.sync.bind(file);
      file.sync = () => {
        synced.push([String(opening[0]), existsSync(`${path}._S3rver_object`)]);
        return sync();
      };
      return file;
    };
    try {
      await files.put(path, Readable.from([Buffer.from('text')]), {});
    } finally {
      fs.open = open;
    }
    expect(synced).to.have.length(1);
    expect(synced[0]![0]).to.contain('.incoming');
    expect(synced[0]![1]).to.equal(false);
    expect(readFileSync(`${path}._S3rver_object`, 'utf8')).to.equal('text');
  });

  it('reads the files that the version before has written', async () => {
    const place = join(objects, 'older');
    mkdirSync(place);
    const file = join(place, 'chunk-00000001.csv._S3rver_object');
    writeFileSync(file, 'a,b\n');
    const { size, mtimeMs } = statSync(file);
    const metadata = { 'content-type': 'text/csv', 'x-amz-meta-origin': 'before' };
    const sidecar = { md5: md5('a,b\n'), size, mtimeMs, metadata };
    writeFileSync(join(place, 'chunk-00000001.csv._S3rver_metadata.json'), JSON.stringify(sidecar));
    expect(await get('older/chunk-00000001.csv')).to.deep.include({
      text: 'a,b\n',
      ContentType: 'text/csv',
      Metadata: { origin: 'before' },
      ETag: `"${md5('a,b\n')}"`,
    });
    expect(await list({ Prefix: 'older/' })).to.deep.equal(['older/chunk-00000001.csv']);
  });

  it('stores no body that is not the one its headers declare', async () => {
    const Key = 'declared';
    const wrong = { md5: md5('other'), base64: Buffer.from(md5('other'), 'hex').toString('base64') };
    expect(await refusal(put(Key, 'body', { ContentMD5: wrong.base64 }))).to.equal('400 BadDigest');
    expect(await refusal(put(Key, 'body', { ChecksumCRC32: 'AAAAAA==' }))).to.equal('400 BadDigest');
    const Body = Buffer.from('body');
    const signed = await sign(new PutObjectCommand({ Bucket, Key, Body }));
    expect(await answerTo(signed, 'ydob')).to.match(/^400 (XAmzContentSHA256Mismatch|BadDigest)$/);
    const plain = connect({}, { requestChecksumCalculation: 'WHEN_REQUIRED' });
    const bare = await sign(new PutObjectCommand({ Bucket, Key, Body }), plain);
    expect(bare.headers).not.to.have.any.keys('x-amz-checksum-crc32', 'content-md5');
    expect(await answerTo(bare, 'ydob')).to.equal('400 XAmzContentSHA256Mismatch');
    expect(await refusal(get(Key))).to.equal('404 NoSuchKey');
    expect(readdirSync(join(folder, 'home/s3/.incoming'))).to.deep.equal([]);

    const right = Buffer.from(md5('body'), 'hex').toString('base64');
    await put(Key, 'body', { ContentMD5: right });
    expect(await get(Key)).to.include({ text: 'body' });
    expect(await answerTo(bare, 'body')).to.equal('200');
  });

  it('goes on with a connection after it has refused a body', async () => {
    const single = connect({}, { requestHandler: { httpAgent: { keepAlive: true, maxSockets: 1 } } });
    const Body = Buffer.alloc(5_000_000, 'x');
    const send = (Key: string) => refusal(single.send(new PutObjectCommand({ Bucket, Key, Body })));
    const incoming = join(folder, 'home/s3/.incoming');
    expect(await send('/x')).to.equal('400 InvalidArgument');
    rmSync(incoming, { recursive: true }); // a fault of the server
    const faulty = await send('faulty');
    mkdirSync(incoming);
    expect(faulty).to.equal('500 InternalError');
    expect(await send('sound')).to.equal(undefined);
    expect(readFileSync(join(folder, 'home/supervisor.log'), 'utf8')).to.match(/S3: ENOENT/);
    single.destroy();
  });

  it('takes a body whose hash is not signed', async () => {
    const unsigned = connect();
    unsigned.middlewareStack.add(
      (next) => (args) => {
        (args.request as Signed).headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
        return next(args);
      },
      { step: 'build' },
    );
    const command = new PutObjectCommand({ Bucket, Key: 'unsigned', Body: Buffer.from('body') });
    const signed = await sign(command, unsigned);
    expect(signed.headers['x-amz-content-sha256']).to.equal('UNSIGNED-PAYLOAD');
    expect(await answerTo(signed, 'body')).to.equal('200');
    expect(await answerTo(signed, 'ydob')).to.equal('400 BadDigest'); // by the CRC
  });

  it('answers ranges and conditions of a get', async () => {
    const { ETag } = await put('ranged', '0123456789');
    const part = async (Range: string, IfMatch?: string) => {
      const { Body, ContentRange } = await client.send(
        new GetObjectCommand({ Bucket, Key: 'ranged', Range, IfMatch }),
      );
      return `${await Body!.transformToString()} ${ContentRange}`;
    };
    expect(await part('bytes=2-4', ETag)).to.equal('234 bytes 2-4/10');
    expect(await part('bytes=8-')).to.equal('89 bytes 8-9/10');
    expect(await part('bytes=5-100')).to.equal('56789 bytes 5-9/10');
    expect(await refusal(part('bytes=10-'))).to.equal('416 InvalidRange');
    expect(await refusal(part('bytes=0-1,3-4'))).to.equal('501 NotImplemented');
    expect(await refusal(part('bytes=0-1', '"other"'))).to.equal('412 PreconditionFailed');
    const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key: 'ranged' }));
    expect(ContentLength).to.equal(10);
  });

  it('makes and shows buckets', async () => {
    const Other = 'another-bucket';
    expect(await refusal(client.send(new HeadBucketCommand({ Bucket: Other })))).to.match(/^404 /);
    expect(await refusal(client.send(new ListObjectsV2Command({ Bucket: Other })))).to.equal(
      '404 NoSuchBucket',
    );
    for (let time = 0; time < 2; time++) await client.send(new CreateBucketCommand({ Bucket: Other }));
    await client.send(new HeadBucketCommand({ Bucket: Other }));
    await client.send(new PutObjectCommand({ Bucket: Other, Key: 'x', Body: 'x' }));
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: Other }));
    expect(Contents?.map(({ Key }) => Key)).to.deep.equal(['x']);
  });

  it('groups keys page by page, each group once, also by the older listing', async () => {
    for (const key of ['a/1', 'a/2', 'a\u{10ffff}', 'b/1', 'b/2', 'c']) await put(`groups/${key}`);
    const page = { Bucket, Prefix: 'groups/', Delimiter: '/', MaxKeys: 1 };
    const pages: string[] = [];
    for await (const { Contents, CommonPrefixes } of paginateListObjectsV2({ client }, page)) {
      pages.push(
        ...[
          ...(CommonPrefixes ?? []).map(({ Prefix }) => Prefix!),
          ...(Contents ?? []).map(({ Key }) => Key!),
        ],
      );
    }
    expect(pages).to.deep.equal(['groups/a/', 'groups/a\u{10ffff}', 'groups/b/', 'groups/c']);
    const first = await client.send(new ListObjectsCommand(page));
    expect(first).to.include({ IsTruncated: true, NextMarker: 'groups/a/' });
    const second = await client.send(new ListObjectsCommand({ ...page, Marker: first.NextMarker }));
    expect(second.Contents?.map(({ Key }) => Key)).to.deep.equal(['groups/a\u{10ffff}']);
    const none = await client.send(new ListObjectsV2Command({ ...page, MaxKeys: 0 }));
    expect(none).to.include({ KeyCount: 0, IsTruncated: false });
  });

  it('refuses what it does not know', async () => {
    const Key = 'known';
    await put(Key, 'text');
    const CopySource = `${Bucket}/${Key}`;
    const Delete = { Objects: [{ Key }] };
    const quiet = connect({}, { logger: pino({ level: 'silent' }) });
    const refusals = [
      client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource })),
      client.send(new CreateMultipartUploadCommand({ Bucket, Key })),
      client.send(new UploadPartCommand({ Bucket, Key, PartNumber: 1, UploadId: '../x', Body: 'x' })),
      client.send(new DeleteObjectsCommand({ Bucket, Delete })),
      client.send(new DeleteBucketCommand({ Bucket })),
      client.send(new ListBucketsCommand({})),
      client.send(new ListObjectVersionsCommand({ Bucket })),
      client.send(new GetObjectTaggingCommand({ Bucket, Key })),
      client.send(new GetObjectCommand({ Bucket, Key, VersionId: 'x' })),
      client.send(new GetObjectCommand({ Bucket, Key, IfNoneMatch: '"x"' })),
      client.send(new ListObjectsV2Command({ Bucket, FetchOwner: true })),
      put(Key, 'x', { Tagging: 'a=b' }),
      put(Key, 'x', { ServerSideEncryption: 'AES256' }),
      put(Key, 'x', { IfNoneMatch: '"x"' }),
      put(Key, 'x', { ChecksumAlgorithm: 'SHA1' }),
      // its checksum comes behind the body, in an encoding that the server does not know
      quiet.send(
        new PutObjectCommand({ Bucket, Key, Body: Readable.from([Buffer.from('x')]), ContentLength: 1 }),
      ),
    ];
    expect(await Promise.all(refusals.map(refusal))).to.deep.equal(refusals.map(() => '501 NotImplemented'));
    const presigned = await fetch(`${services.s3!.endpoint}/${CopySource}?X-Amz-Signature=00`);
    expect(presigned.status).to.equal(501);
    expect(await get(Key)).to.include({ text: 'text' });
    expect(await list({ Prefix: 'copy' })).to.deep.equal([]);
  });

  it('refuses requests that are not signed, or by another key, or at another time', async () => {
    const command = () => new ListObjectsV2Command({ Bucket });
    expect(await refusal(connect({ accessKeyId: 'S3RVER' }).send(command()))).to.equal(
      '403 InvalidAccessKeyId',
    );
    expect(await refusal(connect({ secretAccessKey: 'S3RVER' }).send(command()))).to.equal(
      '403 SignatureDoesNotMatch',
    );
    const { endpoint } = services.s3!;
    for (const [path, host] of [
      ['/', undefined],
      [`/${Bucket}`, undefined],
      ['/', 'bankpulse.s3-website.amazonaws.com'],
    ] as const) {
      const response = await fetch(`${endpoint}${path}`, { headers: host === undefined ? {} : { host } });
      expect(response.status).to.equal(403);
    }
    for (const minutes of [-16, 16]) {
      const skewed = connect({}, { systemClockOffset: minutes * 60_000 });
      expect(await refusal(skewed.send(command()))).to.equal('403 RequestTimeTooSkewed');
    }
  });

  it('refuses a request that is not the signed one', async () => {
    await put('signed', 'text');
    const signed = await sign(new GetObjectCommand({ Bucket, Key: 'signed' }));
    const { headers } = signed;
    expect(await answerTo(signed)).to.equal('200');
    const changes: [Partial<Signed>, string][] = [
      [{ path: `/${Bucket}/other` }, 'SignatureDoesNotMatch'],
      [{ method: 'DELETE' }, 'SignatureDoesNotMatch'],
      [{ query: { ...signed.query, versionId: '1' } }, 'SignatureDoesNotMatch'],
      [{ headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, 'SignatureDoesNotMatch'],
      [{ headers: { ...headers, 'x-amz-meta-added': 'x' } }, 'AccessDenied'],
    ];
    for (const without of ['host', 'x-amz-content-sha256']) {
      const names = headers.authorization!.replace(new RegExp(`(?<=SignedHeaders=.*)\\b${without};?`), '');
      changes.push([{ headers: { ...headers, authorization: names } }, 'AccessDenied']);
    }
    for (const [change, code] of changes) {
      expect(await answerTo({ ...signed, ...change }), JSON.stringify(change)).to.equal(`403 ${code}`);
    }
  });
});
