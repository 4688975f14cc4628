import type { RawBuilder } from 'kysely';
import pg from 'pg';
import { openViews } from './connection.js';
import { currentRole } from './explain-refusal.js';
import { UserError, hasSqlState } from '../errors.js';
import { sql } from './kysely.js';

/** PostgreSQL truncates longer names, possibly to the name of another database. */
const MAX_NAME_BYTES = 63;
/** Autovacuum may have come back at the next attempt. */
const DROP_ATTEMPTS = 3;

type Run = (statement: RawBuilder<unknown>) => Promise<unknown[]>;

/**
 * A database beside the configured one, named after it, that is created for some work and dropped afterwards. A
 * database of that name is replaced if it has the mark, as after a killed process, and never otherwise.
 */
export class DisposableDatabase {
  readonly name: string;

  /** @param mark the comment on databases of this kind: a database with this comment may be dropped. */
  constructor(
    private readonly configured: pg.ClientConfig,
    suffix: string,
    private readonly mark: string,
  ) {
    this.name = `${new pg.Client(configured).database ?? ''}_${suffix}`;
  }

  /** The connection to this database: same server, same role. */
  get config(): pg.ClientConfig {
    return { ...this.configured, database: this.name };
  }

  /** @throws UserError if it cannot be created. */
  async create(template = 'template0'): Promise<void> {
    const { name, mark } = this;
    if (Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw new UserError(`the database's name is too long for one beside it, "${name}"`);
    await this.#beside(async (run) => {
      await this.#drop(run);
      try {
        await run(sql`create database ${sql.id(name)} template ${sql.id(template)} encoding 'UTF8'`);
      } catch (error) {
        if (hasSqlState(error, 'databaseExists'))
          throw new UserError(
            `database "${name}" exists, and BankPulse did not create it: rename or drop it`,
          );
        if (!hasSqlState(error, 'insufficientPrivilege')) throw error;
        const role = await currentRole(this.configured);
        throw new UserError(
          `${role} may not create database "${name}": let an administrator say "alter role ${role} createdb"`,
        );
      }
      await run(sql`comment on database ${sql.id(name)} is ${sql.lit(mark)}`);
    });
  }

  /** Drops the database if it exists, and ends all sessions in it. */
  drop(): Promise<void> {
    return this.#beside((run) => this.#drop(run));
  }

  async #drop(run: Run): Promise<void> {
    const { name, mark } = this;
    const marked = await run(
      sql`select from pg_database where datname = ${name} and shobj_description(oid, 'pg_database') = ${mark}`,
    );
    if (marked.length === 0) return;
    for (let attempt = 1; ; attempt++) {
      try {
        await run(sql`drop database if exists ${sql.id(name)} with (force)`);
        return;
      } catch (error) {
        // If this role may not end one of the sessions, such as autovacuum, `force` ends none of them.
        if (attempt === DROP_ATTEMPTS || !hasSqlState(error, 'insufficientPrivilege', 'objectInUse'))
          throw error;
        await this.#dropPatiently(run);
      }
    }
  }

  /** Without force, PostgreSQL ends autovacuum itself and waits 5 s for other sessions to end; some may remain. */
  async #dropPatiently(run: Run): Promise<void> {
    try {
      await run(sql`drop database if exists ${sql.id(this.name)}`);
    } catch (error) {
      if (!hasSqlState(error, 'objectInUse')) throw error;
    }
  }

  /** Lets `work` run statements in the configured database: a database cannot be dropped by its own session. */
  async #beside(work: (run: Run) => Promise<void>): Promise<void> {
    const database = openViews(this.configured);
    try {
      await work(async (statement) => (await statement.execute(database)).rows);
    } finally {
      await database.destroy();
    }
  }
}
