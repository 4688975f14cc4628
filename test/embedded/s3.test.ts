import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request, type ClientRequest } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  paginateListObjectsV2,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { expect } from 'chai';
import S3Object from '@20minutes/s3rver/lib/models/object.js';
import { ObjectStore } from '../../src/embedded/s3/store.js';
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
    await sleep(2000); // the server's grace
    rmSync(folder, { recursive: true, force: true });
  });

  function connect(credentials: { accessKeyId?: string; secretAccessKey?: string } = {}): S3Client {
    const { endpoint, region, accessKeyId, secretAccessKey } = services.s3!;
    return new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId, secretAccessKey, ...credentials },
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
  /** What a command is refused with, as status and code; undefined when it is not. */
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

    await client.send(
      new CopyObjectCommand({ Bucket, Key: 'odd/copy', CopySource: encodeURI(`${Bucket}/${Key}`) }),
    );
    expect(await get('odd/copy')).to.include({ text: 'hello', ETag });
    for (const gone of [Key, 'odd/copy']) await client.send(new DeleteObjectCommand({ Bucket, Key: gone }));
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
    // As a put leaves them, only faster.
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

  /** Sends a signed put with the first half of its body. */
  async function putSlowly(Key: string, body: Buffer): Promise<ClientRequest> {
    type Signed = { method: string; path: string; headers: Record<string, string> };
    const signer = connect();
    const signed = await new Promise<Signed>((resolve) => {
      const catchSigned = (_: unknown) => (args: { request: unknown }) => {
        resolve(args.request as Signed);
        return Promise.reject(new Error('signed, not sent'));
      };
      signer.middlewareStack.add(catchSigned, { step: 'finalizeRequest', priority: 'low' });
      signer.send(new PutObjectCommand({ Bucket, Key, Body: body })).catch(() => undefined);
    });
    const half = request(services.s3!.endpoint, { ...signed, path: `${signed.path}?x-id=PutObject` });
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

  it('makes anew what it notes of an object whose note is of another', async () => {
    await put('torn', 'the old content');
    writeFileSync(join(objects, 'torn._S3rver_object'), 'crash left this');
    expect(await get('torn')).to.include({
      text: 'crash left this',
      ETag: `"${md5('crash left this')}"`,
    });
    writeFileSync(join(objects, 'torn._S3rver_metadata.json'), '{"md5":');
    expect(await get('torn')).to.include({ ETag: `"${md5('crash left this')}"` });
  });

  it('refuses keys that are no paths in the bucket', async () => {
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
    const store = new ObjectStore(join(folder, 'store')); // the SDK leads such a name elsewhere
    expect(await store.getBucket('..')).to.be.null;
    expect(() => store.getResourcePath('..', 'embedded.json', 'object')).to.throw('bucket is not valid');
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
    const part = { Bucket, Key: 'parts', PartNumber: 1, Body: 'x' };
    expect(
      await refusal(client.send(new UploadPartCommand({ ...part, UploadId: `../${UploadId}` }))),
    ).to.equal('404 NoSuchUpload');
    expect(await list({ Prefix: 'parts' })).to.deep.equal([]);
  });

  it('has an object and all its directories on the disk before it says so', async () => {
    const store = new ObjectStore(join(folder, 'durable'));
    await store.putBucket(Bucket);
    const path = store.getResourcePath(Bucket, 'a/b/c', 'object');
    const { open } = fs;
    /** What was synced, and whether the object had its name by then. */
    const synced: [path: string, isNamed: boolean][] = [];
    fs.open = async (...opening: Parameters<typeof open>) => {
      const file = await open(...opening);
      const sync = file.sync.bind(file);
      file.sync = () => {
        synced.push([String(opening[0]), existsSync(path)]);
        return sync();
      };
      return file;
    };
    syncBuiltinESMExports();
    try {
      await store.putObject(new S3Object(Bucket, 'a/b/c', Readable.from([Buffer.from('text')]), {}));
    } finally {
      fs.open = open;
      syncBuiltinESMExports();
    }
    expect(synced[0]).to.satisfy(
      ([first, isNamed]: [string, boolean]) => first.includes('.incoming') && !isNamed,
    );
    expect(synced.slice(1)).to.deep.equal(
      ['durable/bankpulse/a/b', 'durable/bankpulse/a', 'durable/bankpulse', 'durable', ''].map((each) => [
        join(folder, each),
        true,
      ]),
    );
  });

  it('refuses who has no key, or a wrong one', async () => {
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
  });
});
