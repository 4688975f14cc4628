import type { RawBuilder } from 'kysely';
import pg from 'pg';
import { connectOrExplain, openViews } from '../../src/database.js';
import { UserError, codeOf } from '../../src/errors.js';
import { sql } from '../../src/kysely.js';

/** What marks a database as one that may be dropped. */
const MARK = 'Made by bankpulse bench; may be dropped.';
const INSUFFICIENT_PRIVILEGE = '42501';

/** Where a database is: for sessions of this process, and for the environment of others. */
export interface BenchDatabase {
  config: pg.ClientConfig;
  env: Record<string, string>;
}

/**
 * Databases beside the configured one, named after it: a template, and its copy for each measurement. Those left over
 * from a process that was killed are replaced, those that somebody else made never.
 */
export class Databases {
  private readonly name: string;

  constructor(private readonly config: pg.ClientConfig) {
    this.name = `${new pg.Client(config).database ?? ''}_bench`;
  }

  /** Makes the template: `fill` is given the empty database. */
  async prepare<Result>(fill: (database: BenchDatabase) => Promise<Result>): Promise<Result> {
    await (await connectOrExplain(this.config)).end();
    await this.#create(this.#template, 'template0');
    return await fill(this.#place(this.#template));
  }

  /** A copy of the template while `work` lasts. No session may be in the template meanwhile. */
  async use<Result>(work: (database: BenchDatabase) => Promise<Result>): Promise<Result> {
    await this.#create(this.name, this.#template);
    try {
      return await work(this.#place(this.name));
    } finally {
      await this.#drop(this.name);
    }
  }

  /** Drops the template. */
  async close(): Promise<void> {
    if ((await this.#commentOf(this.#template)) === MARK) await this.#drop(this.#template);
  }

  get #template(): string {
    return `${this.name}_template`;
  }

  /** The same server and role, another database. */
  #place(name: string): BenchDatabase {
    if (this.config.connectionString === undefined)
      return { config: { ...this.config, database: name }, env: { DB_NAME: name } };
    const url = new URL(this.config.connectionString);
    url.pathname = `/${encodeURIComponent(name)}`;
    return { config: { ...this.config, connectionString: url.href }, env: { DATABASE_URL: url.href } };
  }

  async #create(name: string, template: string): Promise<void> {
    const comment = await this.#commentOf(name);
    if (comment === MARK) await this.#drop(name);
    else if (comment !== undefined)
      throw new UserError(`database "${name}" is in the way, and not of a former bench: rename or drop it`);
    try {
      await this.#run(sql`create database ${sql.id(name)} template ${sql.id(template)} encoding 'UTF8'`);
    } catch (error) {
      if (codeOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
      throw new UserError(
        `this role may not create database "${name}": run the bench as a role with createdb`,
      );
    }
    await this.#run(sql`comment on database ${sql.id(name)} is ${sql.lit(MARK)}`);
  }

  async #drop(name: string): Promise<void> {
    await this.#run(sql`drop database if exists ${sql.id(name)} with (force)`);
  }

  /** undefined if there is no such database, null without a comment. */
  async #commentOf(name: string): Promise<string | null | undefined> {
    const rows = await this.#run(
      sql<{
        comment: string | null;
      }>`select shobj_description(oid, 'pg_database') as comment from pg_database where datname = ${name}`,
    );
    return rows[0]?.comment;
  }

  /** In the configured database: none can be made or dropped from within. */
  async #run<Row>(statement: RawBuilder<Row>): Promise<Row[]> {
    const database = openViews(this.config);
    try {
      return (await statement.execute(database)).rows;
    } finally {
      await database.destroy();
    }
  }
}
