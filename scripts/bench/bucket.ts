import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectStoreSettings } from '../../src/config.js';
import { messageOf } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { ObjectStore, openClient } from '../../src/s3/object-store.js';
import { findBucket, type BucketService } from '../../src/commands/services.js';

/** The configured bucket, of which everything under one prefix is ours. Ends with `close`. */
export class Bucket {
  /** Ends with a slash. */
  readonly prefix = `bankpulse-bench-${randomBytes(6).toString('hex')}/`;

  private constructor(
    readonly store: ObjectStore,
    /** For people: which store it is. */
    readonly description: string,
    private readonly service: BucketService,
  ) {}

  /** @throws UserError if it cannot be reached. */
  static async open(settings: ObjectStoreSettings, log: Logger): Promise<Bucket> {
    const service = await findBucket(settings, log);
    const { endpoint } = service.options;
    const place = endpoint ? `at ${new URL(endpoint).origin}` : 'of AWS';
    const description = settings.S3_BUCKET === undefined ? 'embedded S3' : `S3 ${place}`;
    const bucket = new Bucket(ObjectStore.open(service.options), description, service);
    try {
      await bucket.store.checkAccess(bucket.prefix);
    } catch (error) {
      await bucket.#letGo();
      throw error;
    }
    return bucket;
  }

  /** Deletes what lies under the prefix, as far as it may. */
  async close(): Promise<void> {
    try {
      await this.#empty();
    } catch (error) {
      process.stderr.write(
        `s3://${this.store.bucket}/${this.prefix} could not be emptied: ${messageOf(error)}\n`,
      );
    }
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    this.store.close();
    await this.service.release();
  }

  // the product deletes nothing, so its ObjectStore cannot
  async #empty(): Promise<void> {
    const client = openClient(this.service.options);
    try {
      for await (const { key } of this.store.list(this.prefix))
        await client.send(new DeleteObjectCommand({ Bucket: this.store.bucket, Key: key }));
    } finally {
      client.destroy();
    }
  }
}
