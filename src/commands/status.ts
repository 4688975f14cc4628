import type pg from 'pg';
import { databaseSettings, loadSettings, objectStoreSettings } from '../config.js';
import { SqlFunctions } from '../database/functions.js';
import { READS } from '../database/server-check.js';
import { describeRun, readStatusText } from '../database/status.js';
import { countWaitingObjects, type WaitingObjects } from '../detector/waiting-objects.js';
import type { Logger } from '../log.js';
import { readable, readableAge } from '../text/numbers.js';
import { withClient, withDatabase, withStatus } from './with-database.js';

interface StatusOptions {
  json?: boolean;
  /** Count what waits in the bucket, instead of believing the last listing of a Y. */
  listing?: boolean;
}

/** `npm run status [-- --json] [--listing]`: prints the row of pipeline_status, for people or as one JSON object. */
export async function runStatus({ json, listing }: StatusOptions): Promise<void> {
  const count = listing ? prepareToList() : undefined;
  await withDatabase((config, log) =>
    withStatus(config, async (views, status) => {
      const waiting = await count?.(config, log);
      if (json) {
        const bucket = waiting && { waiting: waiting.count, oldest_at: waiting.oldestAt };
        process.stdout.write(`${JSON.stringify({ ...status, ...(bucket && { bucket }) })}\n`);
        return;
      }
      const lines = [
        await readStatusText(views),
        ...describeRun(status),
        ...(waiting ? [describe(waiting)] : []),
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    }),
  );
}

function prepareToList(): (config: pg.ClientConfig, log: Logger) => Promise<WaitingObjects> {
  // with those of the database, so that all faults are told at once
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    'CHUNKS_PREFIX',
    'CHUNK_ORDER',
    'LOG_LEVEL',
  ]);
  return async (config, log) => {
    const { openObjectStore } = await import('./services.js');
    const { store, close } = await openObjectStore(settings, log);
    try {
      return await withClient(config, READS, (client) =>
        countWaitingObjects(store, new SqlFunctions(client), settings),
      );
    } catch (error) {
      throw store.explain(error);
    } finally {
      await close();
    }
  };
}

function describe({ count, oldestAt }: WaitingObjects): string {
  const since = oldestAt === null ? '' : `, the oldest for ${readableAge(oldestAt)}`;
  return `bucket      ${readable(count)} waiting${since} (counted now)`;
}
