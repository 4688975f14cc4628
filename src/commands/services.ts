import type pg from 'pg';
import { openResources } from '../async/resource-scope.js';
import type { DatabaseSettings, ObjectStoreSettings } from '../config.js';
import { connectionConfig } from '../database/connection.js';
import { useEmbedded } from '../embedded/client.js';
import type { Logger } from '../log.js';
import { ObjectStore, type ObjectStoreOptions } from '../s3/object-store.js';

/** The database and the object store of a command; embedded servers stay up until `close`. */
export interface Services {
  config: pg.ClientConfig;
  store: ObjectStore;
  close(): Promise<void>;
}

/** The database of a command; an embedded server stays up until `close`. */
export interface DatabaseService {
  config: pg.ClientConfig;
  close(): Promise<void>;
}

/** The configured PostgreSQL; without DATABASE_URL and DB_HOST the embedded one. */
export async function openDatabase(settings: DatabaseSettings, log: Logger): Promise<DatabaseService> {
  const isEmbedded = settings.DATABASE_URL === undefined && settings.DB_HOST === undefined;
  if (!isEmbedded) return { config: connectionConfig(settings), close: () => Promise.resolve() };
  const embedded = await useEmbedded(settings.BANKPULSE_HOME, { postgres: true, s3: false }, log);
  return { config: connectionConfig(settings, embedded.databaseUrl), close: () => embedded.release() };
}

/** The bucket of a command; an embedded server stays up until `release`. */
export interface BucketService {
  options: ObjectStoreOptions;
  release: () => Promise<void>;
}

/** The configured bucket; without S3_BUCKET that of the embedded server. */
export async function findBucket(settings: ObjectStoreSettings, log: Logger): Promise<BucketService> {
  if (settings.S3_BUCKET !== undefined) {
    const options = {
      bucket: settings.S3_BUCKET,
      endpoint: settings.AWS_ENDPOINT_URL_S3 ?? settings.AWS_ENDPOINT_URL,
      region: settings.AWS_REGION,
      forcePathStyle: settings.S3_FORCE_PATH_STYLE,
    };
    return { options, release: () => Promise.resolve() };
  }
  const embedded = await useEmbedded(settings.BANKPULSE_HOME, { postgres: false, s3: true }, log);
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = embedded.s3!;
  const options = { bucket, endpoint, region, credentials: { accessKeyId, secretAccessKey } };
  return { options, release: () => embedded.release() };
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
    return { store };
  });
}

/** Opens the database and the object store. */
export function openServices(
  settings: DatabaseSettings & ObjectStoreSettings,
  log: Logger,
): Promise<Services> {
  return openResources(log, async (closeLater) => {
    const database = await openDatabase(settings, log);
    closeLater(() => database.close());
    const objectStore = await openObjectStore(settings, log);
    closeLater(() => objectStore.close());
    return { config: database.config, store: objectStore.store };
  });
}
