import type pg from 'pg';
import { databaseSettings, loadSettings } from '../config.js';
import { createLog, type Logger } from '../log.js';
import { openDatabase } from './services.js';

/** Runs `work` with the configured database, which is let go of at the end. */
export async function withDatabase<Result>(
  work: (config: pg.ClientConfig, log: Logger) => Promise<Result>,
): Promise<Result> {
  const settings = loadSettings([...databaseSettings, 'LOG_LEVEL']);
  const log = createLog(settings.LOG_LEVEL);
  const database = await openDatabase(settings, log);
  try {
    return await work(database.config, log);
  } finally {
    await database.close();
  }
}
