import type { Kysely } from 'kysely';
import type pg from 'pg';
import { connect, openViews } from '../database/connection.js';
import { DisposableDatabase } from '../database/disposable-database.js';
import { UserError } from '../errors.js';
import type { Logger } from '../log.js';
import { migrate } from '../database/schema.js';
import type { Views } from '../database/views.js';

const MARK = 'Scratch database of bankpulse verify and rebuild; may be dropped.';

export interface ScratchOptions {
  /** The configured database. */
  config: pg.ClientConfig;
  /** A database with the project's schema and no rows, which the scratch database is cloned from; without it, it is migrated. */
  template?: string | undefined;
  log: Logger;
  signal: AbortSignal;
}

/**
 * Creates the database `<name>_verify` with the project's schema and does `work` with a session in it. Drops the database
 * afterwards, also when the signal comes before the work is done, and replaces one that a killed process left behind.
 * The caller makes sure that only one audit runs at a time.
 * @throws UserError if the database cannot be created, or when the signal comes.
 */
export async function withScratchDatabase<Result>(
  { config, template, log, signal }: ScratchOptions,
  work: (scratch: pg.Client, views: Kysely<Views>) => Promise<Result>,
): Promise<Result> {
  const database = new DisposableDatabase(config, 'verify', MARK);
  await database.create(template);
  const interrupted = new Promise<never>((_resolve, reject) => {
    const interrupt = () => reject(new UserError('interrupted'));
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
  });
  interrupted.catch(() => undefined); // the signal may come when the race below is over
  const working = (async () => {
    const scratch = await connect(database.config);
    const views = openViews(database.config);
    try {
      // without warnings: those about roles concern the whole server, and its owner has read them before
      if (template === undefined) await migrate(scratch, log.child({}, { level: 'error' }));
      return await work(scratch, views);
    } finally {
      // these sessions may have ended with the database
      await views.destroy().catch(() => undefined);
      await scratch.end().catch(() => undefined);
    }
  })();
  working.catch(() => undefined); // when the signal comes, the race is over before the work fails
  try {
    return await Promise.race([working, interrupted]);
  } finally {
    // this also ends a `work` that is interrupted, because its sessions end
    await database.drop();
  }
}
