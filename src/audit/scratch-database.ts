import type { Kysely } from 'kysely';
import pg from 'pg';
import { connect, openViews } from '../database.js';
import { UserError, codeOf } from '../errors.js';
import { sql } from '../kysely.js';
import type { Logger } from '../log.js';
import { migrate } from '../schema.js';
import type { Views } from '../views.js';

/** What marks a database as one that may be dropped. */
const MARK = 'Scratch database of bankpulse verify and rebuild; may be dropped.';
/** In bytes; PostgreSQL cuts longer names, to another database's maybe. */
const LONGEST_NAME = 63;
const INSUFFICIENT_PRIVILEGE = '42501';

/** The same server and role, another database. */
function configOf(config: pg.ClientConfig, name: string): pg.ClientConfig {
  if (config.connectionString === undefined) return { ...config, database: name };
  const url = new URL(config.connectionString);
  url.pathname = `/${encodeURIComponent(name)}`;
  return { ...config, connectionString: url.href };
}

/** Runs a statement that names the scratch database, in the audited one: it cannot be run from within. */
async function administer(
  config: pg.ClientConfig,
  statement: ReturnType<typeof sql<{ comment: string | null }>>,
): Promise<{ comment: string | null }[]> {
  const database = openViews(config);
  try {
    return (await statement.execute(database)).rows;
  } finally {
    await database.destroy();
  }
}

async function create(config: pg.ClientConfig, name: string): Promise<void> {
  const [former] = await administer(
    config,
    sql`select shobj_description(oid, 'pg_database') as comment from pg_database where datname = ${name}`,
  );
  if (former && former.comment !== MARK) {
    throw new UserError(`database "${name}" is in the way, and not a left-over of verify: rename or drop it`);
  }
  if (former) await drop(config, name);
  try {
    await administer(config, sql`create database ${sql.id(name)} template template0 encoding 'UTF8'`);
  } catch (error) {
    if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new UserError(
      `this role may not create the scratch database "${name}": run it as a role with createdb (alter role ... createdb)`,
    );
  }
  await administer(config, sql`comment on database ${sql.id(name)} is ${sql.lit(MARK)}`);
}

async function drop(config: pg.ClientConfig, name: string): Promise<void> {
  await administer(config, sql`drop database if exists ${sql.id(name)} with (force)`);
}

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
  const name = `${new pg.Client(config).database ?? ''}_verify`;
  if (Buffer.byteLength(name) > LONGEST_NAME) {
    throw new UserError(`the database's name is too long for a scratch database "${name}"`);
  }
  await create(config, name);
  const interrupted = new Promise<never>((_resolve, reject) => {
    const interrupt = () => reject(new UserError('interrupted'));
    if (signal.aborted) interrupt();
    else signal.addEventListener('abort', interrupt, { once: true });
  });
  interrupted.catch(() => undefined);
  const working = (async () => {
    const scratchConfig = configOf(config, name);
    const scratch = await connect(scratchConfig);
    const views = openViews(scratchConfig);
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
    await drop(config, name);
  }
}
