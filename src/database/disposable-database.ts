import type { RawBuilder } from 'kysely';
import pg from 'pg';
import { openViews } from './connection.js';
import { UserError, hasSqlState } from '../errors.js';
import { sql } from './kysely.js';

/** In bytes; PostgreSQL cuts longer names, to another database's maybe. */
const MAX_NAME_BYTES = 63;
/** Autovacuum may be back when it is tried again. */
const DROP_ATTEMPTS = 3;

/**
 * A database beside the configured one, named after it, that is made for some work and dropped afterwards. One left
 * over from a process that was killed is replaced, one that somebody else made never.
 */
export class DisposableDatabase {
  readonly name: string;

  /** @param mark the comment that tells databases of this kind: they may be dropped. */
  constructor(
    private readonly configured: pg.ClientConfig,
    suffix: string,
    private readonly mark: string,
  ) {
    this.name = `${new pg.Client(configured).database ?? ''}_${suffix}`;
  }

  /** The same server and role, this database. */
  get config(): pg.ClientConfig {
    if (this.configured.connectionString === undefined) return { ...this.configured, database: this.name };
    const url = new URL(this.configured.connectionString);
    url.pathname = `/${encodeURIComponent(this.name)}`;
    return { ...this.configured, connectionString: url.href };
  }

  /** @throws UserError if it cannot be made. */
  async create(template = 'template0'): Promise<void> {
    const { name, mark } = this;
    if (Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw new UserError(`the database's name is too long for one beside it, "${name}"`);
    await this.drop();
    try {
      await this.#run(sql`create database ${sql.id(name)} template ${sql.id(template)} encoding 'UTF8'`);
    } catch (error) {
      if (hasSqlState(error, 'databaseExists'))
        throw new UserError(`database "${name}" is in the way, and not one of ours: rename or drop it`);
      if (!hasSqlState(error, 'insufficientPrivilege')) throw error;
      throw new UserError(
        `this role may not create database "${name}": run this as a role with createdb (alter role ... createdb)`,
      );
    }
    await this.#run(sql`comment on database ${sql.id(name)} is ${sql.lit(mark)}`);
  }

  /** Drops it if it is there, whatever is at work in it. */
  async drop(): Promise<void> {
    const { name, mark } = this;
    const marked = await this.#run(
      sql`select from pg_database where datname = ${name} and shobj_description(oid, 'pg_database') = ${mark}`,
    );
    if (marked.length === 0) return;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#run(sql`drop database if exists ${sql.id(name)} with (force)`);
        return;
      } catch (error) {
        // Somebody is in it whom this role may not end, such as autovacuum: then force ends nobody.
        if (attempt === DROP_ATTEMPTS || !hasSqlState(error, 'insufficientPrivilege', 'objectInUse'))
          throw error;
        await this.#dropPatiently();
      }
    }
  }

  /** Ends autovacuum, as any role may, and waits 5 s for all others to leave; some may still be there. */
  async #dropPatiently(): Promise<void> {
    try {
      await this.#run(sql`drop database if exists ${sql.id(this.name)}`);
    } catch (error) {
      if (!hasSqlState(error, 'objectInUse')) throw error;
    }
  }

  /** In the configured database: none can be made or dropped from within. */
  async #run<Row>(statement: RawBuilder<Row>): Promise<Row[]> {
    const database = openViews(this.configured);
    try {
      return (await statement.execute(database)).rows;
    } finally {
      await database.destroy();
    }
  }
}
