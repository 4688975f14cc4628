import type pg from 'pg';
import type { DatabaseSettings } from '../config.js';
import { connectionConfig, describeDatabase } from '../database/connection.js';
import { useEmbedded } from '../embedded/client.js';
import type { Logger } from '../log.js';

/**
 * The database of a command; an embedded server stays up until `close`. Apart from the object store, whose library takes
 * more of a start than all the rest of a command that needs no store.
 */
export interface DatabaseService {
  config: pg.ClientConfig;
  close(): Promise<void>;
}

/** `loadSettings` has refused half a configuration: what names no server names nothing. */
export const isDatabaseEmbedded = ({ DATABASE_URL, DB_HOST, PGHOST }: DatabaseSettings) =>
  (DATABASE_URL ?? DB_HOST ?? PGHOST) === undefined;

/** The configured PostgreSQL; if no variable names one, the embedded one. The log says which. */
export async function openDatabase(settings: DatabaseSettings, log: Logger): Promise<DatabaseService> {
  if (!isDatabaseEmbedded(settings)) {
    const config = connectionConfig(settings);
    log.info(describeDatabase(config));
    return { config, close: () => Promise.resolve() };
  }
  const embedded = await useEmbedded(settings.BANKPULSE_HOME, { postgres: true, s3: false }, log);
  const config = connectionConfig(settings, embedded.databaseUrl);
  log.info(`${describeDatabase(config)}, the embedded PostgreSQL`);
  return { config, close: () => embedded.release() };
}
