import type pg from 'pg';
import { connectChecked } from '../database/connection.js';
import { ContentError, UserError, hasSqlState, isDataError, messageOf } from '../errors.js';
import { transactionColumns } from '../csv/header.js';
import { stageCsv } from '../loader/stage.js';
import { SqlFunctions, type AppliedChunk } from '../database/functions.js';
import type { PendingObject } from './backlog.js';
import type { FetchedObject } from '../loader/object-content.js';

/** A chunk whose rows are in the lane's staging tables, in an open transaction. */
export interface StagedChunk {
  object: PendingObject;
  /** Without its bytes: they are in the database now, and would be held in memory twice. */
  fetched: Omit<FetchedObject, 'open'>;
  copyMs: number;
}

/** What became of a chunk. */
export type Outcome =
  | { kind: 'applied'; chunk: AppliedChunk; detections: Record<string, number> }
  | { kind: 'quarantined'; error: string }
  | { kind: 'known' };

export interface LaneOptions {
  runId: number;
  batchRows: number;
  detectionsPrefix: string;
}

/**
 * A database session with staging tables of its own, in which one chunk at a time goes from bytes to a committed
 * ledger row. With two lanes the next chunk is staged while this one is applied.
 */
export class Lane {
  readonly #functions: SqlFunctions;

  private constructor(
    private readonly client: pg.Client,
    private readonly options: LaneOptions,
  ) {
    this.#functions = new SqlFunctions(client);
  }

  static async open(config: pg.ClientConfig, options: LaneOptions): Promise<Lane> {
    const client = await connectChecked(config);
    const lane = new Lane(client, options);
    try {
      await lane.#functions.openStaging();
    } catch (error) {
      await lane.close();
      throw error;
    }
    return lane;
  }

  /** Ends the session; whatever transaction was open is rolled back. */
  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }

  /** @throws ContentError if the object is to be quarantined; whatever the source or the database throws. */
  async stage(object: PendingObject, fetched: FetchedObject): Promise<StagedChunk> {
    const start = performance.now();
    try {
      await stageCsv(this.client, fetched.open, transactionColumns);
    } catch (error) {
      await this.#rollBack();
      throw isDataError(error) ? new ContentError('refusedByDatabase', error.code) : error;
    }
    const { etag, size } = fetched;
    return { object, fetched: { etag, size }, copyMs: performance.now() - start };
  }

  /** Applies what was staged; it is in the ledger when this resolves, one way or the other. */
  async apply({ object, fetched, copyMs }: StagedChunk): Promise<Outcome> {
    const { runId, batchRows, detectionsPrefix } = this.options;
    try {
      const chunk = await this.#functions.processChunk({
        runId,
        objectKey: object.key,
        etag: fetched.etag,
        sizeBytes: fetched.size,
        copyMs,
        batchRows,
        detectionsPrefix,
      });
      const detections = await this.#functions.countNewestDetections(chunk.detectionCount);
      await this.client.query('commit');
      return { kind: 'applied', chunk, detections };
    } catch (error) {
      if (hasSqlState(error, 'objectInLedger')) {
        await this.#rollBack();
        return { kind: 'known' };
      }
      if (hasSqlState(error, 'objectNumberTaken')) {
        await this.#rollBack();
        const { message } = new ContentError('numberTaken', object.number);
        return this.quarantine({ key: object.key, etag: fetched.etag, size: fetched.size }, message);
      }
      // the rows are accepted by now: what PostgreSQL refuses is a threshold
      if (hasSqlState(error, 'thresholdMissing') || isDataError(error)) {
        throw new UserError(
          `a pattern cannot be judged: ${messageOf(error)}; correct its row in bankpulse.patterns`,
        );
      }
      throw error;
    }
  }

  async quarantine(object: { key: string; etag: string; size: number }, error: string): Promise<Outcome> {
    await this.#functions.quarantineChunk(this.options.runId, object, error);
    return { kind: 'quarantined', error };
  }

  async #rollBack(): Promise<void> {
    await this.client.query('rollback');
  }
}
