import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import S3rver from '@20minutes/s3rver';
import bucketController from '@20minutes/s3rver/lib/controllers/bucket.js';
import S3Error from '@20minutes/s3rver/lib/models/error.js';
import { portTaken } from '../ports.js';
import { listObjects } from './listing.js';
import { verifySignature } from './signature.js';
import { ObjectStore, currentRequest } from './store.js';
import { BUCKET, type EmbeddedState } from '../state.js';

export interface RunningS3 {
  stop(): Promise<void>;
}

/** Starts the S3 server of this home; its objects are files under `home/s3`. */
export async function startS3(home: string, state: EmbeddedState): Promise<RunningS3> {
  const directory = join(home, 's3');
  const store = new ObjectStore(directory);
  await store.putBucket(BUCKET);

  const app = new S3rver({ directory, silent: true, vhostBuckets: false });
  app.store = app.context.store = store;
  bucketController.getBucket = (context) => listObjects(context, store);

  // Right before the router, which would let in unsigned requests and visitors of web sites.
  app.middleware.splice(-1, 0, async (context, next) => {
    const { req, res } = context;
    verifySignature(req, state.accessKeyId, state.secretAccessKey);
    delete req.headers.authorization; // s3rver would check it again, its own way
    context.state.service = 's3';
    await currentRequest.run({ req, res }, next);
    if (context.status === 404)
      throw new S3Error('InvalidURI', 'No bucket and key can be told from this path.');
  });

  const server = createServer(app.callback());
  // Longer than clients keep idle connections: else they may write into one that is being closed.
  server.keepAliveTimeout = 120_000;
  try {
    server.listen({ port: state.s3Port, host: '127.0.0.1' });
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw portTaken(home, 's3Port', state.s3Port);
    throw error;
  }
  return {
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
