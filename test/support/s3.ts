import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { ObjectStore } from '../../src/s3/object-store.js';
import { sharedStore } from './servers.js';

interface Connection {
  endpoint: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** For what `ObjectStore` does not do: making and deleting things. */
  client: S3Client;
}

export interface TestObjectStore extends Connection {
  /** On a bucket of its own, empty, which ends with `closeTestStores`. */
  store: ObjectStore;
  /** What a BankPulse process needs in its environment to use the same bucket. */
  env: Record<string, string>;
}

let connection: Promise<Connection> | undefined;
const stores: ObjectStore[] = [];

async function open(): Promise<Connection> {
  const { endpoint, ...credentials } = await sharedStore.address();
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  return { endpoint, credentials, client };
}

/** A new bucket on the shared server. */
export async function testObjectStore(): Promise<TestObjectStore> {
  connection ??= open();
  const { endpoint, credentials, client } = await connection;
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

/** For the root hook that runs after all tests of a process. Deletes the buckets of a server that stays; the embedded server deletes none. */
export async function closeTestStores(): Promise<void> {
  if (!connection) return;
  const { client } = await connection;
  connection = undefined;
  for (const store of stores.splice(0)) {
    if (process.env.TEST_S3_ENDPOINT) await deleteBucket(client, store);
    store.close();
  }
  client.destroy();
}

/** A list of keys is XML, which cannot hold every character: an object whose key is not printable ASCII is deleted by itself. */
async function deleteBucket(client: S3Client, store: ObjectStore): Promise<void> {
  const Bucket = store.bucket;
  for (;;) {
    const { objects } = await store.listPage('');
    if (objects.length === 0) break;
    const keys = objects.map(({ key: Key }) => ({ Key }));
    const isOdd = ({ Key }: { Key: string }) => /[^ -~]/.test(Key);
    const Objects = keys.filter((key) => !isOdd(key));
    if (Objects.length > 0) {
      const { Errors = [] } = await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
      );
      if (Errors.length > 0) throw new Error(`the bucket cannot be emptied: ${Errors[0]!.Message}`);
    }
    await Promise.all(
      keys.filter(isOdd).map((key) => client.send(new DeleteObjectCommand({ Bucket, ...key }))),
    );
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}
