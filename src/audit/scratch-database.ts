import type { Kysely } from 'kysely';
import type pg from 'pg';
import { connect, openViews } from '../database/connection.js';
import { DisposableDatabase } from '../database/disposable-database.js';
import { UserError } from '../errors.js';
import type { Logger } from '../log.js';
import { migrate } from '../database/schema.js';
import type { Views } from '../database/views.js';

const MARK = 'Scratch database of bankpulse verify and rebuild; may be dropped.';

/**
 * A session in a new database `<name>_verify` with the project's schema, and reads of it, while `work` lasts; it is
 * dropped afterwards, also when the signal comes before the work is done. One left over from a process that was killed is
 * replaced. Only one may be at it at a time: the caller sees to that.
 * @throws UserError if it cannot be made, or when the signal came.
 */
export async function withScratchDatabase<Result>(
  config: pg.ClientConfig,
  log: Logger,
  signal: AbortSignal,
  work: (scratch: pg.Client, views: Kysely<Views>) => Promise<Result>,
): Promise<Result> {
  const database = new DisposableDatabase(config, 'verify', MARK);
  await database.create();
  const interrupted = new Promise<never>((_resolve, reject) => {
    const interrupt = () => reject(new UserError('interrupted'));
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
  });
  interrupted.catch(() => undefined);
  const working = (async () => {
    const scratch = await connect(database.config);
    const views = openViews(database.config);
    try {
      // its roles are the server's, which its migration has nothing new to say about
      await migrate(scratch, log.child({}, { level: 'error' }));
      return await work(scratch, views);
    } finally {
      await views.destroy().catch(() => undefined);
      await scratch.end().catch(() => undefined);
    }
  })();
  working.catch(() => undefined);
  try {
    return await Promise.race([working, interrupted]);
  } finally {
    // which ends what is still at work in it
    await database.drop();
  }
}
