import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryResultRow } from 'pg';
import { readDatabaseUrl } from '../../../src/environment/database-url.js';
import { connect } from '../../../src/database/connection.js';
import { migrate } from '../../../src/database/schema.js';
import { isTransientDatabaseError } from '../../../src/errors.js';
import { createLog } from '../../../src/log.js';
import { createTestDatabase, dropTestDatabase, type TestDatabase } from '../database.js';
import { setThresholds } from '../detector.js';
import type { OwnPostgres } from '../own-postgres.js';
import type { TestObjectStore } from '../s3.js';

/** For a server that was killed to come back. */
const PATIENCE_MS = 60_000;

/** What runs are given that are to have one result. */
export interface Input {
  transactionsCsv: string;
  importanceCsv: string;
  chunkRows: number;
  batchRows: number;
  /** Between two chunks. */
  chunkIntervalMs: number;
  /** Other than those of the migrations, by pattern. */
  thresholds?: Record<string, Record<string, number>>;
}

/** A database and a prefix of a bucket for one run of X and Y over the input. Ends with `close`. */
export class Place {
  private constructor(
    readonly input: Input,
    readonly s3: TestObjectStore,
    /** Ends with a slash. */
    readonly prefix: string,
    private readonly database: TestDatabase,
    readonly close: () => Promise<void>,
  ) {}

  static async open(input: Input, s3: TestObjectStore, prefix: string): Promise<Place> {
    const database = await createTestDatabase('empty');
    return Place.on(database, input, s3, prefix, () => dropTestDatabase(database));
  }

  /** In a new database of a server that the run may kill. */
  static async openOn(
    server: OwnPostgres,
    input: Input,
    s3: TestObjectStore,
    prefix: string,
  ): Promise<Place> {
    const name = 'bankpulse';
    await server.query(`create database ${name} template template0 encoding 'UTF8'`);
    const url = server.url(name);
    const { config } = readDatabaseUrl(url);
    const client = await connect(config);
    await migrate(client, createLog('error'));
    return Place.on({ name, url, config, client }, input, s3, prefix, () => client.end());
  }

  /** In a database that is there. */
  static async on(
    database: TestDatabase,
    input: Input,
    s3: TestObjectStore,
    prefix: string,
    close: () => Promise<void> = () => Promise.resolve(),
  ): Promise<Place> {
    for (const [pattern, thresholds] of Object.entries(input.thresholds ?? {}))
      await setThresholds(database, pattern, thresholds);
    return new Place(input, s3, prefix, database, close);
  }

  get databaseUrl(): string {
    return this.database.url;
  }

  get databaseName(): string {
    return this.database.name;
  }

  /** The environment of X and of Y. Short waits, but none that could change the result: gaps and quiet are waited out. */
  get env(): Record<string, string> {
    const { transactionsCsv, importanceCsv, chunkRows, batchRows, chunkIntervalMs } = this.input;
    return {
      ...this.s3.env,
      DATABASE_URL: this.database.url,
      TRANSACTIONS_CSV: transactionsCsv,
      IMPORTANCE_CSV: importanceCsv,
      CHUNK_ROWS: String(chunkRows),
      CHUNK_INTERVAL_MS: String(chunkIntervalMs),
      BATCH_ROWS: String(batchRows),
      CHUNKS_PREFIX: `${this.prefix}chunks/`,
      DETECTIONS_PREFIX: `${this.prefix}detections/`,
      POLL_INTERVAL_MS: '50',
      FULL_LIST_MS: '5000',
      // X may be away for a while with a chunk missing, and nobody is to call that quiet
      GAP_TIMEOUT_MS: '3600000',
      FLUSH_AFTER_MS: '3600000',
    };
  }

  /** Asks the database, on a connection of its own, and again while it is away. */
  async ask<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        const client = await connect({ connectionString: this.database.url, connectionTimeoutMillis: 5000 });
        try {
          return (await client.query<Row>(text, values)).rows;
        } finally {
          await client.end();
        }
      } catch (error) {
        if (!isTransientDatabaseError(error) || performance.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  /** How many chunks are in the ledger. */
  async applied(): Promise<number> {
    const [row] = await this.ask<{ count: number }>(
      'select coalesce(max(chunk_no), 0)::int as count from bankpulse.chunks',
    );
    return row!.count;
  }
}
