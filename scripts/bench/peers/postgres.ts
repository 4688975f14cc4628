import type pg from 'pg';
import { connect } from '../../../src/database/connection.js';
import type { Detection } from './peer.js';
import { THRESHOLD_NAMES, type Thresholds } from './thresholds.js';

const CREATE_DETECTIONS = `
  create table detections (
    pattern_id text collate "C" not null,
    merchant_id text collate "C" not null,
    customer_id text collate "C" not null,
    chunk_no bigint not null,
    primary key (pattern_id, merchant_id, customer_id)
  )
`;

const NOTE_DETECTIONS = `
  insert into detections (pattern_id, merchant_id, customer_id, chunk_no)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
  on conflict do nothing
`;

/**
 * A session of a peer in PostgreSQL, with a schema of its own in which unqualified names are found, and a table
 * `detections` there. Ends with `close`.
 */
export class PostgresSession {
  private constructor(
    readonly client: pg.Client,
    private readonly thresholds: Thresholds,
  ) {}

  /** @param setUp creates the peer's other tables and views. */
  static async open(
    config: pg.ClientConfig,
    thresholds: Thresholds,
    schema: string,
    setUp: string,
  ): Promise<PostgresSession> {
    const client = await connect(config);
    try {
      const name = client.escapeIdentifier(schema);
      await client.query(`create schema ${name}`);
      await client.query(`set search_path = ${name}`);
      // what the peer's queries sort and hash stays in memory
      await client.query(`set work_mem = '64MB'`);
      await client.query(CREATE_DETECTIONS);
      await client.query(setUp);
      return new PostgresSession(client, thresholds);
    } catch (error) {
      await client.end();
      throw error;
    }
  }

  /**
   * Runs the peer's statement that inserts and returns new detections. Its parameters are the thresholds, in the
   * order of `THRESHOLD_NAMES`, then the chunk's number.
   */
  async detect(statement: string, chunk: number): Promise<Detection[]> {
    const { rows } = await this.client.query<Detection>(statement, [
      ...THRESHOLD_NAMES.map((name) => this.thresholds[name]),
      chunk,
    ]);
    return rows;
  }

  /** Detections made by others, which the peer is not to make again. */
  async noteDetections(detections: readonly Detection[]): Promise<void> {
    await this.client.query(NOTE_DETECTIONS, [
      detections.map(({ pattern }) => pattern),
      detections.map(({ merchant }) => merchant),
      detections.map(({ customer }) => customer),
      detections.map(({ chunk }) => chunk),
    ]);
  }

  async close(): Promise<void> {
    await this.client.end();
  }
}
