import type { Kysely } from 'kysely';
import type pg from 'pg';
import { databaseSettings, environmentWarnings, loadSettings } from '../config.js';
import { openViews } from '../database/connection.js';
import { READS, connectOrExplain, type Needs } from '../database/server-check.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { readStatus } from '../database/status.js';
import type { Status, Views } from '../database/views.js';
import { createLog, type Logger } from '../log.js';
import { openDatabase } from './database-service.js';

/** Runs `work` with the configured database, and closes it afterwards. */
export async function withDatabase<Result>(
  work: (config: pg.ClientConfig, log: Logger) => Promise<Result>,
): Promise<Result> {
  const settings = loadSettings([...databaseSettings, 'LOG_LEVEL']);
  const log = createLog(settings.LOG_LEVEL);
  for (const warning of environmentWarnings()) log.warn(warning);
  const database = await openDatabase(settings, log);
  try {
    return await work(database.config, log);
  } finally {
    await database.close();
  }
}

/** Runs `work` with a connected client. @throws UserError if the database cannot be reached, or is none for the work. */
export async function withClient<Result>(
  config: pg.ClientConfig,
  needs: Needs,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connectOrExplain(config, needs);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs `work` with reads of a migrated database. @throws UserError if it cannot be reached or has no schema. */
export async function withStatus<Result>(
  config: pg.ClientConfig,
  work: (views: Kysely<Views>, status: Status) => Promise<Result>,
): Promise<Result> {
  await withClient(config, READS, () => Promise.resolve()); // its error explains in one line why there is no connection
  const views = openViews(config);
  try {
    return await explainRefusal(config, async () => work(views, await readStatus(views)));
  } finally {
    await views.destroy();
  }
}
