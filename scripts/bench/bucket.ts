import { randomBytes } from 'node:crypto';
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ObjectStoreSettings } from '../../src/config.js';
import { useEmbedded } from '../../src/embedded/client.js';
import { messageOf } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { ObjectStore, type ObjectStoreOptions } from '../../src/object-store.js';

/** The configured bucket, of which everything under one prefix is ours. Ends with `close`. */
export class Bucket {
  /** Ends with a slash. */
  readonly prefix = `bankpulse-bench-${randomBytes(6).toString('hex')}/`;

  private constructor(
    readonly store: ObjectStore,
    /** For people: which store it is. */
    readonly description: string,
    private readonly options: ObjectStoreOptions,
    private readonly release: () => Promise<void>,
  ) {}

  /** @throws UserError if it cannot be reached. */
  static async open(settings: ObjectStoreSettings, log: Logger): Promise<Bucket> {
    const bucket = await Bucket.#find(settings, log);
    try {
      await bucket.store.checkAccess(bucket.prefix);
    } catch (error) {
      await bucket.#letGo();
      throw error;
    }
    return bucket;
  }

  static async #find(settings: ObjectStoreSettings, log: Logger): Promise<Bucket> {
    if (settings.S3_BUCKET !== undefined) {
      const endpoint = settings.AWS_ENDPOINT_URL_S3 ?? settings.AWS_ENDPOINT_URL;
      const options = {
        bucket: settings.S3_BUCKET,
        endpoint,
        region: settings.AWS_REGION,
        forcePathStyle: settings.S3_FORCE_PATH_STYLE,
      };
      const place = endpoint ? `at ${new URL(endpoint).origin}` : 'of AWS';
      const release = () => Promise.resolve();
      return new Bucket(ObjectStore.open(options), `S3 ${place}`, options, release);
    }
    const embedded = await useEmbedded(settings.BANKPULSE_HOME, { postgres: false, s3: true }, log);
    const { endpoint, region, bucket, accessKeyId, secretAccessKey } = embedded.s3!;
    const options = { bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } };
    return new Bucket(ObjectStore.open(options), 'embedded S3', options, () => embedded.release());
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
    await this.release();
  }

  // the product deletes nothing, so its ObjectStore cannot
  async #empty(): Promise<void> {
    const { bucket, endpoint, region, forcePathStyle, credentials } = this.options;
    const client = new S3Client({
      ...(endpoint && { endpoint }),
      ...(region ? { region } : endpoint && { region: 'us-east-1' }),
      forcePathStyle: forcePathStyle ?? endpoint !== undefined,
      ...(credentials && { credentials }),
    });
    try {
      for await (const { key } of this.store.list(this.prefix))
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    } finally {
      client.destroy();
    }
  }
}
