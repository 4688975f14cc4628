import type pg from 'pg';
import { openResources } from '../async/resource-scope.js';
import type { DatabaseSettings, ObjectStoreSettings } from '../config.js';
import { useEmbedded, type EmbeddedServices } from '../embedded/client.js';
import type { Logger } from '../log.js';
import { ObjectStore, type ObjectStoreOptions } from '../s3/object-store.js';
import { isDatabaseEmbedded, openDatabase } from './database-service.js';

/** The database and the object store of a command; embedded servers stay up until `close`. */
export interface Services {
  config: pg.ClientConfig;
  store: ObjectStore;
  close(): Promise<void>;
}

/** As `isDatabaseEmbedded`. */
export const isStoreEmbedded = ({ S3_BUCKET }: ObjectStoreSettings) => S3_BUCKET === undefined;

/** The bucket of a command; an embedded server stays up until `release`. */
export interface BucketService {
  options: ObjectStoreOptions;
  release: () => Promise<void>;
}

/** The configured bucket; if no variable names a store, that of the embedded server. */
export async function findBucket(settings: ObjectStoreSettings, log: Logger): Promise<BucketService> {
  if (!isStoreEmbedded(settings)) return { options: namedBucket(settings), release: () => Promise.resolve() };
  const embedded = await useEmbedded(settings.BANKPULSE_HOME, { postgres: false, s3: true }, log);
  return { options: embeddedBucket(embedded.s3!), release: () => embedded.release() };
}

/** The bucket that the settings name. */
export function namedBucket(settings: ObjectStoreSettings): ObjectStoreOptions {
  const { S3_SERVER_SIDE_ENCRYPTION: algorithm, S3_SSE_KMS_KEY_ID: kmsKeyId } = settings;
  return {
    bucket: settings.S3_BUCKET!,
    endpoint: settings.AWS_ENDPOINT_URL_S3 ?? settings.AWS_ENDPOINT_URL,
    region: settings.AWS_REGION,
    forcePathStyle: settings.S3_FORCE_PATH_STYLE,
    conditionalPuts: settings.S3_CONDITIONAL_PUTS,
    encryption: algorithm && { algorithm, kmsKeyId },
  };
}

/** The bucket of the embedded server. */
export function embeddedBucket(s3: NonNullable<EmbeddedServices['s3']>): ObjectStoreOptions {
  const { accessKeyId, secretAccessKey, ...place } = s3;
  return { ...place, credentials: { accessKeyId, secretAccessKey } };
}

/** Opens the bucket that `findBucket` returns. */
export function openObjectStore(
  settings: ObjectStoreSettings,
  log: Logger,
): Promise<{ store: ObjectStore; close: () => Promise<void> }> {
  return openResources(log, async (closeLater) => {
    const { options, release } = await findBucket(settings, log);
    closeLater(release);
    const store = ObjectStore.open(options);
    closeLater(() => store.close());
    log.info(`${store.description}${isStoreEmbedded(settings) ? ', the embedded S3 server' : ''}`);
    return { store };
  });
}

/** Opens the database and the object store. */
export function openServices(
  settings: DatabaseSettings & ObjectStoreSettings,
  log: Logger,
): Promise<Services> {
  if (isDatabaseEmbedded(settings) !== isStoreEmbedded(settings)) {
    log.warn(
      isDatabaseEmbedded(settings)
        ? 'the database is the embedded one, the bucket is not: is DATABASE_URL or DB_HOST missing?'
        : 'the bucket is that of the embedded S3 server, the database is not embedded: is S3_BUCKET missing?',
    );
  }
  return openResources(log, async (closeLater) => {
    const database = await openDatabase(settings, log);
    closeLater(() => database.close());
    const objectStore = await openObjectStore(settings, log);
    closeLater(() => objectStore.close());
    return { config: database.config, store: objectStore.store };
  });
}
