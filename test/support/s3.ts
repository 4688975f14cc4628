import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { useEmbedded } from '../../src/embedded/client.js';
import { ObjectStore } from '../../src/s3/object-store.js';

interface Server {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** For what `ObjectStore` does not do: making and deleting things. */
  client: S3Client;
  release(): Promise<void>;
}

export interface TestObjectStore extends Omit<Server, 'release'> {
  /** On a bucket of its own, empty, deleted by `stopTestS3`. */
  store: ObjectStore;
  /** What a BankPulse process needs in its environment to use the same bucket. */
  env: Record<string, string>;
}

let server: Promise<Server> | undefined;
const stores: ObjectStore[] = [];

/** The server at TEST_S3_ENDPOINT, or an embedded one of this process. */
async function startServer(): Promise<Server> {
  const endpoint = process.env.TEST_S3_ENDPOINT;
  if (endpoint) {
    const credentials = {
      accessKeyId: process.env.TEST_S3_ACCESS_KEY || 'bankpulse',
      secretAccessKey: process.env.TEST_S3_SECRET_KEY || 'bankpulse-secret',
    };
    return {
      endpoint,
      credentials,
      client: clientOf(endpoint, credentials),
      release: () => Promise.resolve(),
    };
  }
  const home = await mkdtemp(join(tmpdir(), 'bankpulse-test-s3-'));
  const services = await useEmbedded(home, { postgres: false, s3: true });
  const { s3 } = services;
  if (!s3) throw new Error('the embedded services came without S3');
  const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
  return {
    endpoint: s3.endpoint,
    credentials,
    client: clientOf(s3.endpoint, credentials),
    async release() {
      await services.release();
      await rm(home, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

function clientOf(endpoint: string, credentials: Server['credentials']): S3Client {
  return new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
}

/** A new bucket on the test server, which is started if need be. Ends with `stopTestS3`. */
export async function testObjectStore(): Promise<TestObjectStore> {
  server ??= startServer();
  const { endpoint, credentials, client } = await server;
  const bucket = `bankpulse-test-${randomBytes(6).toString('hex')}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const store = ObjectStore.open({ bucket, endpoint, credentials });
  stores.push(store);
  const env = {
    S3_BUCKET: bucket,
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  return { store, env, endpoint, credentials, client };
}

/** Deletes the buckets and lets go of the server. For the root hook that runs after all tests. */
export async function stopTestS3(): Promise<void> {
  if (!server) return;
  const { client, ...running } = await server;
  server = undefined;
  for (const store of stores.splice(0)) {
    await deleteBucket(client, store);
    store.close();
  }
  client.destroy();
  await running.release();
}

async function deleteBucket(client: S3Client, store: ObjectStore): Promise<void> {
  const Bucket = store.bucket;
  for (;;) {
    const keys = (await store.listPage('')).objects.map(({ key }) => key);
    if (keys.length === 0) break;
    // XML cannot carry control characters, nor some ends of lines: such keys go one by one.
    const plain = keys.filter((key) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(key));
    const odd = keys.filter((key) => !plain.includes(key));
    const Objects = plain.map((Key) => ({ Key }));
    if (plain.length > 0)
      await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }));
    for (const Key of odd) await client.send(new DeleteObjectCommand({ Bucket, Key }));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}
