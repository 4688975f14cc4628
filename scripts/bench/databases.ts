import type pg from 'pg';
import { DisposableDatabase } from '../../src/database/disposable-database.js';

const MARK = 'Made by bankpulse bench; may be dropped.';
/** What copies of the template are called, after the configured database. */
const COPIES = ['bench', 'bench_beginning'] as const;

/** Where a database is: for sessions of this process, and for the environment of others. */
export interface BenchDatabase {
  config: pg.ClientConfig;
  env: Record<string, string>;
}

function placeOf({ config, name }: DisposableDatabase): BenchDatabase {
  const { connectionString: url } = config;
  return { config, env: url === undefined ? { DB_NAME: name } : { DATABASE_URL: url } };
}

/** Databases beside the configured one: a template, and its copies for each measurement. */
export class Databases {
  readonly #template: DisposableDatabase;

  constructor(private readonly config: pg.ClientConfig) {
    this.#template = new DisposableDatabase(config, 'bench_template', MARK);
  }

  /** Makes the template: `fill` is given the empty database. Drops what a bench that was killed left behind. */
  async prepare<Result>(fill: (database: BenchDatabase) => Promise<Result>): Promise<Result> {
    for (const suffix of COPIES) await this.#copy(suffix).drop();
    await this.#template.create();
    return await fill(placeOf(this.#template));
  }

  /**
   * A copy of the template while `work` lasts. No session may be in the template meanwhile.
   * @param suffix tells those apart that are there at once.
   */
  async use<Result>(
    work: (database: BenchDatabase) => Promise<Result>,
    suffix: (typeof COPIES)[number] = 'bench',
  ): Promise<Result> {
    const copy = this.#copy(suffix);
    await copy.create(this.#template.name);
    try {
      return await work(placeOf(copy));
    } finally {
      await copy.drop();
    }
  }

  /** Drops the template. */
  async close(): Promise<void> {
    await this.#template.drop();
  }

  #copy(suffix: (typeof COPIES)[number]): DisposableDatabase {
    return new DisposableDatabase(this.config, suffix, MARK);
  }
}
